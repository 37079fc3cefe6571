// A time as people say it, with the exact one on hover.
import { useNow } from './now.ts'
import { exactTime, relativeTime } from './times.ts'

export function Ago({ at }: { readonly at: string | null | undefined }) {
  const nowMs = useNow(1000)
  if (at === null || at === undefined) return <span className="faint">never</span>
  const epochMs = Date.parse(at)
  return (
    <time dateTime={at} title={exactTime(epochMs)} className="nowrap">
      {relativeTime(epochMs, nowMs)}
    </time>
  )
}
