import { ROLES } from '../acl.ts';
import { URL_VARIABLES } from './request.ts';

export const USAGE = `events-doctor [url] [options]

Looks at a Redis, at a cluster (from any node) or at what sentinels watch, and says what should be otherwise. It only reads.

  redis://host:6379, rediss://host:6379        a server, a node of a cluster or a sentinel
  redis+sentinel://host:26379,host:26379/name  the user is that of the servers; that of the sentinels:
                                               ?sentinelUser=…&sentinelPassword=…
  Better in ${URL_VARIABLES.join(' or ')}, which no process list shows.

  --prefix <text>     of the transport (events)
  --partitions <n>    how many of each topic are looked at (16)
  --idle-ms <n>       from when on a consumer counts as gone, a delivery as stuck, in ms (300000)
  --timeout-ms <n>    how long a connection, or an answer, may take, in ms (5000)
  --tls-ca <file>     certificates to trust, PEM
  --tls-cert <file>   own certificate, where the server asks for one, and
  --tls-key <file>    its key
  --json              one line of JSON

  --acl <role>        only prints the ACL line of a role: ${ROLES.join(', ')}
    --user <name>  --prefix <text>  --database <n>  --durability  --retention
    --topology single|sentinel|cluster  --server-version 7.0

Exit code: 0 nothing that is an error, 1 errors, 2 wrong use, or it could not look.`;
