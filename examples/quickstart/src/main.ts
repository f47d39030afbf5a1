import { memory } from '@logistically/events-memory';
import { runShop } from './shop.ts';

await runShop(memory());
