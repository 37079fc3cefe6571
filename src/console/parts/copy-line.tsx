// A command to take away.
import { Button, CopyButton } from '@mantine/core'

import styles from './copy-line.module.css'

export function CopyLine({ text, label = 'Copy the command' }: { readonly text: string; readonly label?: string }) {
  return (
    <div className={styles.line}>
      <code className={styles.code} tabIndex={0}>
        {text}
      </code>
      <CopyButton value={text} timeout={1600}>
        {({ copied, copy }) => (
          <Button size="compact-sm" variant={copied ? 'light' : 'default'} onClick={copy} aria-label={label}>
            {copied ? 'Copied' : 'Copy'}
          </Button>
        )}
      </CopyButton>
    </div>
  )
}
