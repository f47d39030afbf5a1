// A module as `--transport` takes it.
import type { Transport } from '@logistically/events-kernel';
import { redisStreams } from '@logistically/events-redis-streams';

const { TEST_URL: url = '', TEST_PREFIX: prefix = '' } = process.env;

export const createTransport = (): Transport => redisStreams({ url, prefix });
