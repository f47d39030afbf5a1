import { URL_VARIABLES } from './request.ts';

export const USAGE = `events-dlq <command> [options]

  list           dead letters, in the order of topic, partition and cursor
  show <id>      one of them, with all that is noted of it
  stats          how many, since when, and why
  redrive        sends them again, to the group that could not handle them
  purge          removes them for good

Where they are:
  --url <url>            redis://… or rediss://…; better in ${URL_VARIABLES.join(' or ')}, which no process list shows
  --prefix <text>        what the transport's keys begin with (events)
  --partitions <n>       how many partitions are looked at (64)
  --transport <module>   anything else: its default export, or createTransport, makes the transport
  --dlq-prefix <text>    what the names of dead letter topics begin with (dlq:)
  --service <name>       who this is, in the audit trail (events-dlq)

Which (list, redrive, purge; all that is given must hold):
  --topic, --class, --type, --code, --fingerprint, --group <text>
  --since, --until <time>  failed at this time or later, before this time: 2026-01-31T04:00:00Z
  --id <id>              also more than once (show, redrive, purge)
  --all                  every one: redrive and purge take nothing without a selection
  --limit <n>            list: at most so many (100); redrive, purge: enough when so many are done
  --after <id>           list: goes on behind this one

How (redrive, purge):
  --dry-run              only tells what would be done
  --by <name>            who wants it, for the audit trail (the user's name)
  --per-second <n>       redrive: at most so many a second
  --max-redrives <n>     redrive: refuses what was sent again so often (3)
  --force                redrive: sends that all the same, and also to a group that nobody reads now
  --to group|all         redrive: only to the group that failed (group), or to all of the topic
  --yes                  purge: does not ask

  --topic <name>         stats: only of this topic
  --payload              show: the event too, as it was received
  --json                 one line of JSON, and no progress
  --help

Exit code: 0 done; 1 something is still there, or was gone; 2 wrong use, or no connection; 130, 143 ended by a signal.`;
