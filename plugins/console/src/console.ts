import { type Awaitable, EventsError, each, type OutgoingEvent, type Transport } from '@logistically/events-kernel';
import { jsonLine, readableLine } from './line.ts';

export interface ConsoleOptions {
  /** Name of the transport. Default `'console'`. */
  readonly name?: string;
  /** One readable line per event, or one JSON object. Default `'line'`. */
  readonly format?: 'line' | 'json';
  /** Takes each line, without its line break. When it throws or rejects, that event is rejected. Default: standard output. */
  readonly write?: (line: string) => Awaitable<void>;
  /** Whether readable lines are styled; `'auto'`: when they go to a terminal that can show it. Default `'auto'`. */
  readonly colors?: 'auto' | boolean;
  /** How much of a body a readable line shows, in characters. Default 200. */
  readonly maxBodyLength?: number;
}

const toStandardOutput = (line: string): Promise<void> =>
  new Promise((resolve, reject) => {
    process.stdout.write(`${line}\n`, (error) => (error ? reject(error) : resolve()));
  });

const standardOutputHasColors = (): boolean => process.stdout.isTTY && process.stdout.hasColors();

/**
 * Prints events instead of sending them. It only publishes, and refuses what no broker could carry.
 *
 * Rejects with `EVENTS_CONSOLE_WRITE` (the line was not written), `EVENTS_CONSOLE_PARTITION` (a partition other than 0),
 * `EVENTS_NOT_RUNNING` (it is not open) and with the errors of the codec.
 */
export const createConsole = (options: ConsoleOptions = {}): Transport<object> => {
  const { name = 'console', format = 'line', write, colors = 'auto', maxBodyLength = 200 } = options;
  if (format !== 'line' && format !== 'json')
    throw new EventsError('EVENTS_CONFIG', "console(): `format` must be 'line' or 'json'.");
  if (!Number.isInteger(maxBodyLength) || maxBodyLength < 0)
    throw new EventsError('EVENTS_CONFIG', 'console(): `maxBodyLength` must be a whole number from 0 on.');
  const print = write ?? toStandardOutput;
  const styles = {
    colors: colors === 'auto' ? write === undefined && standardOutputHasColors() : colors,
    maxBodyLength,
  };
  let opened = 0;

  const lineOf = (event: OutgoingEvent): string => {
    if (opened === 0)
      throw new EventsError(
        'EVENTS_NOT_RUNNING',
        `${name} is not open: start the kernel, or open() the transport first.`,
      );
    if (event.partition !== undefined && event.partition !== 0)
      throw new EventsError(
        'EVENTS_CONSOLE_PARTITION',
        `${name} has one partition for each topic: leave \`partition\` out.`,
        {
          permanent: true,
        },
      );
    // Read for its errors: what is too large or cannot be encoded is rejected, as it is where events are sent.
    void event.payload;
    return format === 'json' ? jsonLine(event) : readableLine(event, styles);
  };

  return {
    kind: 'transport',
    name,
    capabilities: {},

    async open() {
      opened++;
    },

    publish: each(async (event) => {
      const line = lineOf(event);
      try {
        await print(line);
      } catch (cause) {
        throw new EventsError('EVENTS_CONSOLE_WRITE', `A line for ${event.type} was not written: see \`cause\`.`, {
          cause,
        });
      }
    }),

    async close() {
      if (opened > 0) opened--;
    },
  };
};
