import js from '@eslint/js'
import svelte from 'eslint-plugin-svelte'
import globals from 'globals'
import ts from 'typescript-eslint'
import svelteConfig from './svelte.config.js'

// The arrow rule: view → live → wire. A file may import from the layers that `allowed` names, and from nothing else.
const layer = (files, banned, message) => ({
  files,
  rules: { 'no-restricted-imports': ['error', { patterns: [{ group: banned, message }] }] },
})

export default ts.config(
  { ignores: ['dist/', 'node_modules/', 'src/wire/schema.gen.ts'] },
  js.configs.recommended,
  ...ts.configs.strict,
  ...ts.configs.stylistic,
  ...svelte.configs.recommended,
  {
    languageOptions: { globals: { ...globals.browser } },
    rules: {
      'max-lines': ['error', { max: 400, skipComments: false }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
      'no-console': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'svelte/prefer-svelte-reactivity': 'off', // maps here are scratch paper, not state
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } },
  },
  {
    files: ['**/*.test.ts'],
    rules: {
      'max-lines-per-function': 'off',
      'max-lines': ['error', 600],
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    files: ['scripts/**', '*.js', '*.ts'],
    languageOptions: { globals: globals.node },
    rules: { 'no-console': 'off' },
  },
  layer(
    ['src/wire/**'],
    ['**/live/**', '**/view/**', 'svelte', 'svelte/*', 'uplot'],
    'wire imports nothing of ours',
  ),
  layer(
    ['src/live/**'],
    ['**/view/**', 'svelte', 'svelte/*', 'uplot'],
    'live knows no framework and no view',
  ),
  {
    files: ['src/live/**'],
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        'document',
        'window',
        'localStorage',
        'navigator',
        'requestAnimationFrame',
        'WebSocket',
        'fetch',
        'setTimeout',
        'setInterval',
        'performance',
        'Date',
        'Math.random',
      ],
    },
  },
  layer(['src/view/**'], ['**/wire/socket*', '**/wire/http*'], 'components never see the socket: ask live'),
)
