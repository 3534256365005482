import { createSubscriber } from 'svelte/reactivity'

/** The part of a live model that a component needs in order to follow it. */
interface Followed {
  subscribe(listener: () => void): () => void
}

/**
 * Follows a live model from a component: whoever calls the returned function inside a template, $derived or $effect runs again
 * when the model tells of a change. It listens only while something reads it.
 */
export function watched<M extends Followed>(model: M): () => M {
  const subscribe = createSubscriber((update) => model.subscribe(update))
  return () => {
    subscribe()
    return model
  }
}
