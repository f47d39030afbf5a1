/** What can be done to a server that was started for a test, whether it is a process or a container. */
export interface ServerControl {
  /** Starts the server on its old port and data. Resolves when it answers; does nothing while it runs. */
  start(): Promise<void>;
  /** Asks the server to shut down in good order and resolves when it is gone. */
  end(): Promise<void>;
  /** SIGKILL. Resolves when the server is gone. */
  kill(): Promise<void>;
  /** Suspends the server: its connections stay open and nothing answers. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Kills the server and removes its data. It cannot be started again. */
  dispose(): Promise<void>;
}
