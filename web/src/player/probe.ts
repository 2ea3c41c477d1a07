/**
 * What a stream's playlists say before anything is played:
 * live, ended (EXT-X-ENDLIST), absent (no such stream now) or unreachable (no
 * answer, or the server's own trouble).
 */
export type Finding = 'live' | 'ended' | 'absent' | 'unreachable';

const probeTimeoutMs = 5000;

/** probe reads the multivariant playlist at url and the first media playlist in it. */
export async function probe(url: string, signal: AbortSignal): Promise<Finding> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(probeTimeoutMs)]);
  try {
    const master = await text(url, limit);
    if (typeof master !== 'string') return master.finding;
    const variant = firstURI(master);
    if (!variant) return 'absent';
    const media = await text(new URL(variant, new URL(url, location.href)).href, limit);
    if (typeof media !== 'string') return media.finding;
    // RFC 8216, 4.3.3.4: nothing is added after this tag.
    if (media.includes('#EXT-X-ENDLIST')) return 'ended';
    // hls.js takes a playlist without a whole segment for an empty one.
    return media.includes('#EXTINF') ? 'live' : 'absent';
  } catch {
    return 'unreachable';
  }
}

async function text(url: string, signal: AbortSignal): Promise<string | { finding: Finding }> {
  const response = await fetch(url, { signal, cache: 'no-store' });
  if (!response.ok) return { finding: response.status < 500 ? 'absent' : 'unreachable' };
  const body = await response.text();
  return body.startsWith('#EXTM3U') ? body : { finding: 'unreachable' };
}

function firstURI(playlist: string): string | undefined {
  return playlist
    .split('\n')
    .map((line) => line.trim())
    .find((line) => line !== '' && !line.startsWith('#'));
}
