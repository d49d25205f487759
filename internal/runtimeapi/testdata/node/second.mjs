import { readFileSync } from 'node:fs';
const found = await new Promise((resolve) => setImmediate(resolve, typeof readFileSync));
export const handler = async () => `mjs ${found}`;
export default { handler: async () => 'default' };
