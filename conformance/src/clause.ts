/** Every promise that a case can prove, by its id: the clauses of the semantics, the contract itself, and the capabilities. */
export const clauses = {
  C1: 'At least once: acknowledged only after the handler succeeded.',
  C2: "A dead consumer's deliveries come back; a living slow handler is never run twice at once.",
  C3: 'Retry state lives in the broker.',
  C4: 'A failing event never blocks others.',
  C5: 'Undecodable and foreign entries are reported raw. They never stop the loop, never vanish.',
  C6: 'Publish resolves after the broker confirmed, and rejects per event.',
  C7: 'A subscription never slows a publish.',
  C8: 'Every wait has a deadline.',
  C9: 'Lost groups and flushed servers: the loop recovers by itself.',
  C10: 'Retention never removes what a group has not settled.',
  C11: 'Close always settles, by its deadline.',
  C12: 'What stands still is unhealthy, with a named cause; what is well is quiet.',
  C13: 'No name and no text of a user is taken for anything else than itself.',
  contract: 'What every transport does: open, publish, deliver, settle, close.',
  durable: 'Survives the end of the process, or a restart of the server.',
  groups: 'Competing consumers: of those that share a group each event goes to one.',
  order: 'Events are delivered in the order of publishing.',
  log: 'A topic is read by cursor or time, without touching any group.',
  store: 'A small shared state, atomic under concurrency.',
  delay: 'Events are delivered not before a time.',
  handoff: 'Stored elsewhere and settled here, in one atomic step.',
  inspect: 'Tells what the groups of a topic are doing.',
} as const;

export type Clause = keyof typeof clauses;
