import { historySeconds, type Point } from './history';

const width = 240;
const height = 44;
const minSpan = 1; // seconds: less than this is not worth a mountain

interface Props {
  points: Point[];
  target: number | null;
}

/** Sparkline draws the latency of the last minute, with its target and the interruptions. */
export function Sparkline({ points, target }: Props) {
  const now = points[points.length - 1]?.at ?? 0;
  const known = points.flatMap((p) => (p.latency === null ? [] : [p.latency]));
  if (target !== null) known.push(target);
  const middle = known.length ? (Math.min(...known) + Math.max(...known)) / 2 : 0;
  const span = known.length ? Math.max(minSpan, (Math.max(...known) - Math.min(...known)) * 1.2) : minSpan;
  const x = (at: number) => width - ((now - at) / (historySeconds * 1000)) * width;
  const y = (latency: number) => height / 2 - ((latency - middle) / span) * (height - 6);
  return (
    <svg class="sparkline" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
      {points.map((p, i) => {
        const next = points[i + 1];
        return p.standing && next && <rect key={p.at} class="stall" x={x(p.at)} width={x(next.at) - x(p.at)} y={0} height={height} />;
      })}
      {target !== null && <line class="target" x1={0} x2={width} y1={y(target)} y2={y(target)} />}
      {runs(points).map((run) => (
        <g key={run[0]!.at}>
          <path class="area" d={`${line(run, x, y)}V${height}H${x(run[0]!.at).toFixed(1)}Z`} />
          <path class="line" d={line(run, x, y)} />
        </g>
      ))}
    </svg>
  );
}

type Known = Point & { latency: number };

// runs cuts the points into stretches in which something was playing.
function runs(points: Point[]): Known[][] {
  const out: Known[][] = [];
  let run: Known[] = [];
  for (const p of points) {
    if (p.latency !== null) {
      if (run.length === 0) out.push(run);
      run.push(p as Known);
    } else {
      run = [];
    }
  }
  return out;
}

function line(run: Known[], x: (at: number) => number, y: (latency: number) => number): string {
  return `M${run.map((p) => `${x(p.at).toFixed(1)} ${y(p.latency).toFixed(1)}`).join('L')}`;
}
