// What `wharf wal push` can say. PostgreSQL writes it into its log.
import { defineErrors } from '../../base/errors.ts'

export const pushErrors = defineErrors('backup', {
  badPushUsage: {
    exit: 'usage',
    message: (at: { why: string }) => `${at.why} (usage: wharf wal push [--options FILE] PATH)`,
    hint: () => `in postgresql.conf: archive_command = 'wharf wal push "%p"'; wharf wal archive-command prints it`,
  },
  badOptions: {
    exit: 'configuration',
    message: (at: { file: string; why: string }) => `cannot read the options of wal push, ${at.file}: ${at.why}`,
    hint: () => 'wharf wal archive-command <warehouse> --write writes the file',
  },
  otherCluster: {
    exit: 'failed',
    message: (at: { file: string; theirs: string; ours: string }) =>
      `the options ${at.file} belong to the cluster ${at.theirs}, this server is ${at.ours}`,
    hint: () =>
      'a copied data directory must not archive for its original: wharf wal archive-command writes options of its own',
  },
  badWalFile: {
    exit: 'damaged',
    message: (at: { file: string; why: string }) => `${at.file} is not stored: ${at.why}`,
    hint: () => 'the file in pg_wal is damaged or was cut: look at the disk; the server keeps it and asks again',
  },
})
