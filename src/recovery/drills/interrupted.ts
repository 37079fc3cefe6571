// Evidence of drills whose process died: without it whoever kills a drill would hide what it was about to find.
import type { Context } from '../../base/room.ts'
import { announceDrill } from './announce.ts'
import { keepEvidence, readArchive } from './archive.ts'
import type { KnownEvidence } from './marks.ts'

/** Resolves to true where the drill had kept its evidence before it died. */
export async function keepInterrupted(context: Context, known: KnownEvidence): Promise<boolean> {
  const { drills } = await readArchive(context.home)
  if (drills.some(({ evidence }) => evidence?.id === known.id)) return true
  const noticedAt = new Date(context.clock.now()).toISOString()
  const note = `its process ended without a word: it was killed, or the machine went down; that was noticed at ${noticedAt}, and what it had not written down by then is not known`
  const kept = await keepEvidence(context.home, {
    ...known,
    finishedAt: noticedAt,
    // What had been found by then it cannot hide.
    outcome: known.outcome === 'passed' ? 'interrupted' : known.outcome,
    notes: [...known.notes, note],
  })
  context.log.warn({ drill: known.id, warehouse: known.warehouse }, 'a drill was begun and never ended')
  await announceDrill(context, kept)
  return false
}
