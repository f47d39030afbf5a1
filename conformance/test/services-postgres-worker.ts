// Has a server of its own when services-postgres.test.ts kills it.
import { postgres } from '../src/services/index.ts';

const { port } = await postgres({ sources: ['binary', 'package'] });
// Its server does not keep it alive.
process.on('message', () => {});
process.send?.({ port });
