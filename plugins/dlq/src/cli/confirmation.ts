import { createInterface } from 'node:readline';

/** Whether somebody says yes. An end of the input, and an abort, mean no. */
export const isConfirmed = (
  question: string,
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
  signal: AbortSignal,
): Promise<boolean> =>
  new Promise((resolve) => {
    // Not a terminal for readline: Ctrl-C is to reach the process as a signal.
    const lines = createInterface({ input, output, terminal: false, signal });
    lines.once('close', () => resolve(false));
    lines.question(question, (answer) => {
      resolve(/^y(es)?$/i.test(answer.trim()));
      lines.close();
    });
  });
