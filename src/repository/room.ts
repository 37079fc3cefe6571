// The room of repositories: where backups and WAL are kept.
import type { Room } from '../base/room.ts'
import { repositoriesSection } from './config.ts'
import { add } from './operations/add.ts'
import { check } from './operations/check.ts'
import { copy } from './operations/copy.ts'
import { exportOne } from './operations/export.ts'
import { importOne } from './operations/import.ts'
import { init } from './operations/init.ts'
import { inspect } from './operations/inspect.ts'
import { keyAdd, keyList, keyRemove, keyRotate } from './operations/key.ts'
import { list } from './operations/list.ts'
import { pruneKey } from './operations/prune-key.ts'
import { show } from './operations/show.ts'
import { stats } from './operations/stats.ts'
import { validate } from './operations/validate-store.ts'
import { repositoriesProvider } from './service.ts'

export const room: Room = {
  name: 'repository',
  summary: 'where backups and WAL are kept: packs, maps, manifests, WAL chunks, keys, leases, check',
  config: [repositoriesSection],
  groups: {
    'repository key': 'the keys that open a repository',
    repository: 'where backups and WAL are kept: declare, create, show, check, heal, copy, export',
  },
  operations: [
    add,
    init,
    list,
    show,
    check,
    copy,
    exportOne,
    importOne,
    keyList,
    keyAdd,
    keyRemove,
    keyRotate,
    inspect,
    stats,
    validate,
    pruneKey,
  ],
  services: [repositoriesProvider],
}
