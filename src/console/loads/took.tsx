// How long something took, or has taken so far.
import { durationText } from '../parts/figures.tsx'
import { useNow } from '../time/now.ts'

export function Took({
  run,
}: {
  readonly run: { readonly startedAt: string | null; readonly finishedAt: string | null }
}) {
  const nowMs = useNow(1000)
  if (run.startedAt === null) return <>—</>
  const end = run.finishedAt === null ? nowMs : Date.parse(run.finishedAt)
  return <>{durationText(Math.max(0, end - Date.parse(run.startedAt)))}</>
}
