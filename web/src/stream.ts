// What the page's address says: which stream it shows, and where that is served.

/** streamFromPath returns the stream that /watch/{stream} names, "" if none. */
export function streamFromPath(pathname: string): string {
  return pathname.startsWith('/watch/') ? pathname.slice('/watch/'.length) : '';
}

/** masterURL returns the path of the stream's multivariant playlist. */
export function masterURL(stream: string): string {
  return `/live/${escapePath(stream)}/master.m3u8`;
}

/** watchURL returns the path of the stream's player page. */
export function watchURL(stream: string): string {
  return `/watch/${escapePath(stream)}`;
}

function escapePath(stream: string): string {
  return stream.split('/').map(encodeURIComponent).join('/');
}
