// node serve.mjs: the stand-in origin with its stream on air, for a look by eye.
import { Origin } from './origin.mjs';

const origin = new Origin();
await origin.listen();
origin.begin({ width: 1280, height: 720 });
console.log(origin.url);
process.once('SIGINT', () => origin.close().then(() => process.exit(0)));
process.once('SIGTERM', () => origin.close().then(() => process.exit(0)));
