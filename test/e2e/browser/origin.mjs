// A stand-in for the server, to try the player against every mishap at will: the
// page, and one low-latency stream at /live/demo that its test starts, silences,
// breaks and ends. It is a test's double: it knows one viewer's needs and no more.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { partSeconds, partsPerSegment, startEncoder } from './encoder.mjs';

const dist = new URL('../../../web/dist/', import.meta.url);
const segmentSeconds = partSeconds * partsPerSegment;
const windowSegments = 12;
const silenceMs = 800; // without a part for so long, media is declared missing

// As web/embed.go sends it, so that what the policy forbids fails here too.
const csp =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src *; media-src * blob:; " +
  "worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

const types = { html: 'text/html; charset=utf-8', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' };

export class Origin {
  #server;
  #port = 0;
  #stopEncoder;
  #timer;
  #stream; // undefined: there is no such stream
  #waiting = new Set();
  #partCount = Math.floor(Date.now() / 1000 / partSeconds);
  #msn = Math.floor(Date.now() / 1000 / segmentSeconds);

  get url() {
    return `http://127.0.0.1:${this.#port}/watch/demo`;
  }

  /** listen starts the server, on the port it had before if it had one. */
  async listen() {
    this.#server = createServer((req, res) => {
      this.#serve(req, res).catch((err) => {
        res.writeHead(500).end(String(err));
      });
    });
    await new Promise((resolve, reject) => {
      this.#server.once('error', reject).listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = this.#server.address().port;
  }

  /** hang up: the server goes away, as in a restart; the stream's state stays. */
  async hangUp() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  /** begin puts the stream on air. */
  begin(options) {
    this.#stream = { segments: [], inits: [], ended: false, discontinuity: false };
    this.connect(options);
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#declareMissing(), 100);
  }

  /** connect starts the encoder. */
  connect(options = {}) {
    const stream = this.#stream;
    stream.discontinuity = stream.segments.length > 0;
    this.#stopEncoder = startEncoder({
      ...options,
      onInit: (data) => stream.inits.push(data),
      onPart: (data) => this.#addPart(stream, data),
    });
  }

  /** disconnect ends the encoder without a word. */
  async disconnect() {
    await this.#stopEncoder?.();
    this.#stopEncoder = undefined;
  }

  /** end finishes the stream in order. */
  async end() {
    await this.disconnect();
    clearInterval(this.#timer);
    if (this.#stream) this.#stream.ended = true;
    this.#wake();
  }

  /** forget leaves no trace of the stream. */
  forget() {
    this.#stream = undefined;
    this.#wake();
  }

  async close() {
    await this.end();
    await this.hangUp().catch(() => {});
  }

  #addPart(stream, data) {
    const now = Date.now();
    let segment = stream.segments.at(-1);
    if (!segment || segment.whole) {
      segment = {
        msn: this.#msn++,
        init: stream.inits.length - 1,
        at: now - partSeconds * 1000,
        discontinuity: stream.discontinuity,
        parts: [],
        whole: false,
        gap: 0,
      };
      stream.discontinuity = false;
      stream.segments.push(segment);
      if (stream.segments.length > windowSegments) stream.segments.shift();
    }
    segment.parts.push({ n: this.#partCount++, data });
    segment.whole = segment.parts.length === partsPerSegment;
    stream.heard = now;
    this.#wake();
  }

  // declareMissing fills silence with gap segments, at the pace of the clock.
  #declareMissing() {
    const stream = this.#stream;
    if (!stream?.heard || Date.now() - stream.heard < silenceMs) return;
    const last = stream.segments.at(-1);
    if (!last.whole) {
      last.whole = true;
      this.#wake();
    }
    const end = last.at + (last.gap || last.parts.length * partSeconds) * 1000;
    if (Date.now() - end < segmentSeconds * 1000) return;
    stream.segments.push({ msn: this.#msn++, at: end, parts: [], whole: true, gap: segmentSeconds, discontinuity: false });
    if (stream.segments.length > windowSegments) stream.segments.shift();
    stream.discontinuity = true;
    this.#wake();
  }

  #wake() {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  async #serve(req, res) {
    const url = new URL(req.url, 'http://origin');
    const live = url.pathname.startsWith('/live/demo/') ? url.pathname.slice('/live/demo/'.length) : undefined;
    if (live === undefined) return this.#servePage(url.pathname, res);
    const answer = (status, type, data) => {
      res.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store' }).end(data);
    };
    const stream = this.#stream;
    if (!stream?.segments.length) return answer(404, 'text/plain', 'not found');
    if (live === 'master.m3u8') return answer(200, 'application/vnd.apple.mpegurl', master());
    if (live === 'v/media.m3u8') {
      await this.#blocked(stream, url.searchParams);
      if (this.#stream !== stream) return answer(404, 'text/plain', 'not found');
      return answer(200, 'application/vnd.apple.mpegurl', media(stream, this.#partCount));
    }
    const data = find(stream, live);
    return data ? answer(200, 'video/mp4', data) : answer(404, 'text/plain', 'not found');
  }

  async #blocked(stream, query) {
    if (!query.has('_HLS_msn')) return;
    const msn = Number(query.get('_HLS_msn'));
    const part = query.has('_HLS_part') ? Number(query.get('_HLS_part')) : Infinity;
    const there = () => {
      const last = stream.segments.at(-1);
      return last.msn > msn || (last.msn === msn && (last.whole || last.parts.length > part));
    };
    const until = Date.now() + 3 * segmentSeconds * 1000;
    while (!there() && !stream.ended && this.#stream === stream && Date.now() < until) {
      await new Promise((resolve) => this.#waiting.add(resolve));
    }
  }

  async #servePage(path, res) {
    const name = path.startsWith('/watch/') ? 'watch.html' : path.slice(1) || 'index.html';
    const data = /^[\w/.-]+$/.test(name) && !name.includes('..') ? await readFile(new URL(name, dist)).catch(() => undefined) : undefined;
    if (!data) return res.writeHead(404).end();
    res.writeHead(200, { 'Content-Type': types[name.split('.').pop()], 'Content-Security-Policy': csp }).end(data);
  }
}

function find(stream, name) {
  const init = /^v\/init-(\d+)\.mp4$/.exec(name);
  if (init) return stream.inits[Number(init[1])];
  const part = /^v\/p-(\d+)\.m4s$/.exec(name);
  if (part) return stream.segments.flatMap((s) => s.parts).find((p) => p.n === Number(part[1]))?.data;
  const segment = /^v\/(\d+)\.m4s$/.exec(name);
  const found = segment && stream.segments.find((s) => s.msn === Number(segment[1]) && s.whole && !s.gap);
  return found && Buffer.concat(found.parts.map((p) => p.data));
}

function master() {
  return '#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-STREAM-INF:BANDWIDTH=1700000,RESOLUTION=640x360,FRAME-RATE=30.000,CODECS="avc1.42c01e"\nv/media.m3u8\n';
}

function media(stream, nextPart) {
  const { segments } = stream;
  const lines = [
    '#EXTM3U',
    '#EXT-X-VERSION:9',
    `#EXT-X-TARGETDURATION:${segmentSeconds}`,
    `#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=${3 * partSeconds},HOLD-BACK=${3 * segmentSeconds}`,
    `#EXT-X-PART-INF:PART-TARGET=${partSeconds}`,
    `#EXT-X-MEDIA-SEQUENCE:${segments[0].msn}`,
    `#EXT-X-DISCONTINUITY-SEQUENCE:0`,
  ];
  let init;
  segments.forEach((s, i) => {
    if (s.discontinuity) lines.push('#EXT-X-DISCONTINUITY');
    if (!s.gap && (s.init !== init || s.discontinuity)) lines.push(`#EXT-X-MAP:URI="init-${s.init}.mp4"`);
    if (!s.gap) init = s.init;
    lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(s.at).toISOString()}`);
    if (i >= segments.length - 4) {
      s.parts.forEach((p, k) => lines.push(`#EXT-X-PART:DURATION=${partSeconds},URI="p-${p.n}.m4s"${k === 0 ? ',INDEPENDENT=YES' : ''}`));
    }
    if (s.gap) lines.push('#EXT-X-GAP', `#EXTINF:${s.gap.toFixed(5)},`, `${s.msn}.m4s`);
    else if (s.whole) lines.push(`#EXTINF:${(s.parts.length * partSeconds).toFixed(5)},`, `${s.msn}.m4s`);
  });
  lines.push(stream.ended ? '#EXT-X-ENDLIST' : `#EXT-X-PRELOAD-HINT:TYPE=PART,URI="p-${nextPart}.m4s"`);
  return lines.join('\n') + '\n';
}
