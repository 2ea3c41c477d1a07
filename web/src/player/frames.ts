/** FrameMeter tells how many pictures a second are shown, over the last two seconds. */
export class FrameMeter {
  private readonly marks: { now: number; frames: number }[] = [];

  sample(now: number, frames: number): void {
    const last = this.marks[this.marks.length - 1];
    if (last && frames < last.frames) this.marks.length = 0; // a new media source counts from 0
    this.marks.push({ now, frames });
    while (this.marks.length > 2 && now - this.marks[0]!.now > 2000) this.marks.shift();
  }

  fps(): number {
    const first = this.marks[0];
    const last = this.marks[this.marks.length - 1];
    if (!first || !last || last.now - first.now < 500) return 0;
    return ((last.frames - first.frames) * 1000) / (last.now - first.now);
  }
}
