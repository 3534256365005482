/** What the person chose; "system" follows the machine. */
export type Theme = 'system' | 'light' | 'dark'

const KEY = 'telltale.theme'
const order: readonly Theme[] = ['system', 'light', 'dark']

/** The colour scheme, kept in this browser. */
export class ThemeChoice {
  now = $state<Theme>('system')

  constructor() {
    const kept = read()
    this.set(kept === 'light' || kept === 'dark' ? kept : 'system')
  }

  /** The next of system, light, dark. */
  next(): void {
    this.set(order[(order.indexOf(this.now) + 1) % order.length] ?? 'system')
  }

  private set(theme: Theme): void {
    this.now = theme
    if (theme === 'system') delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = theme
    try {
      localStorage.setItem(KEY, theme)
    } catch {
      // a browser without storage forgets the choice; nothing else depends on it
    }
  }
}

function read(): string | null {
  try {
    return localStorage.getItem(KEY)
  } catch {
    return null
  }
}
