// The sign of the house: a W over the quay.
export function Mark({ size = 22 }: { readonly size?: number }) {
  return (
    <svg viewBox="0 0 32 32" width={size} height={size} aria-hidden="true">
      <path
        d="M6 8l4.5 13L16 10l5.5 11L26 8"
        fill="none"
        stroke="currentColor"
        strokeWidth="3.2"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
      <path d="M5 27h22" stroke="var(--accent)" strokeWidth="3" strokeLinecap="round" />
    </svg>
  )
}
