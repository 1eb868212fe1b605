// Runs one scenario of one library: node scenario.mjs <library> <scenario>. Any fault ends it with a non-zero status.
import { hear, say } from "./conversation.mjs";

const [library, name] = process.argv.slice(2);
const { SCENARIOS } = await import(`./${library}.mjs`);
say({ found: await SCENARIOS[name](await hear()) });
process.exit(0);
