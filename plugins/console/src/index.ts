export { type ConsoleOptions, console } from './console.ts';
