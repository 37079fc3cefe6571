// A page that is not there.
import { Link } from '@tanstack/react-router'

import styles from '../login/login-page.module.css'

export function NotFoundPage() {
  return (
    <main className={styles.page}>
      <div className={styles.sheet}>
        <h1>There is no such page</h1>
        <p className="dim">The address may be from an older version.</p>
        <p>
          <Link to="/">To the overview</Link>
        </p>
      </div>
    </main>
  )
}
