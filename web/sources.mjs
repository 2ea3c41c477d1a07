import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

// builtFrom lists what the assets depend on besides src/. embed_test.go has the
// same list: the two compute one hash.
const builtFrom = ['index.html', 'package-lock.json', 'package.json', 'sources.mjs', 'vite.config.mjs', 'watch.html'];

/** hashSources returns the SHA-256, in hex, of the names and bytes of all sources below root, sorted by name. */
export function hashSources(root) {
  const inSrc = readdirSync(`${root}/src`, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => `${e.parentPath.slice(root.length).replace(/^\/+/, '')}/${e.name}`);
  const hash = createHash('sha256');
  for (const name of [...builtFrom, ...inSrc].sort()) {
    hash.update(name).update('\0').update(readFileSync(`${root}/${name}`)).update('\0');
  }
  return hash.digest('hex');
}
