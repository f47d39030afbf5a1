export { type MemoryCapabilities, type MemoryOptions, memory } from './memory.ts';
