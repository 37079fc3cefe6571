// The backup that follows a hole in the WAL.
import type { Context } from '../base/room.ts'
import { runEngine } from '../runs/contract.ts'
import { formatLsn, type Lsn } from '../wal/lsn.ts'

const RETRIES = 5
const RETRY_DELAY_MS = 60_000

/** The key of the run is the end of the hole: asking twice makes one run. */
export async function submitAfterHole(
  context: Context,
  of: { warehouse: string; repository: string; endLsn: Lsn },
): Promise<void> {
  const { warehouse, repository, endLsn } = of
  const input = { warehouse, kind: 'incremental', repository }
  const engine = await context.use(runEngine)
  await engine.submit({
    pipeline: `backup ${warehouse}`,
    trigger: 'after',
    actor: 'schedule',
    idempotencyKey: `backup/${warehouse}/after hole/${repository}/${formatLsn(endLsn)}`,
    tasks: [{ name: 'backup', kind: 'backup', input, needs: [], retries: RETRIES, retryDelayMs: RETRY_DELAY_MS }],
  })
}
