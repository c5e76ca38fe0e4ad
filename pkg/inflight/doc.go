// Package inflight keeps account of the writes to each resource of each workspace
// that are under way, so that somebody who has changed what writes are judged by can
// wait until none is left that was judged by what went before. It holds nothing for
// what nobody is writing to: a webhook that hangs keeps those waiting who care for
// what it judges, and nobody else.
package inflight
