export { type ConsoleOptions, createConsole as console } from './console.ts';
