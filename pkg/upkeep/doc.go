// Package upkeep holds, in the packages below it, what a controller manager
// does for a control plane, done for all workspaces at once. Collecting objects
// whose owners are gone is not among it yet.
package upkeep
