// Package inflight keeps account of the writes to each workspace that are under
// way, so that somebody who has changed what writes are judged by can wait until
// none is left that was judged by what went before. It holds nothing for a
// workspace to which nobody is writing.
package inflight
