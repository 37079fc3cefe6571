// Mantine, tuned to the tokens: its components take our colours and type.
import { createTheme, type MantineColorsTuple } from '@mantine/core'

const quay: MantineColorsTuple = [
  '#eaf4f6',
  '#d3e7eb',
  '#a5ced7',
  '#74b4c2',
  '#4c9eb0',
  '#3390a5',
  '#1f8399',
  '#0f5e73',
  '#0c5365',
  '#084553',
]

export const theme = createTheme({
  primaryColor: 'quay',
  primaryShade: { light: 7, dark: 4 },
  colors: { quay },
  fontFamily: 'var(--sans)',
  fontFamilyMonospace: 'var(--mono)',
  defaultRadius: 'sm',
  cursorType: 'pointer',
  respectReducedMotion: true,
  fontSizes: { xs: '12px', sm: '13px', md: '14px', lg: '16px', xl: '20px' },
})
