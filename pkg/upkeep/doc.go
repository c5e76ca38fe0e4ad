// Package upkeep holds, in the packages below it, what a controller manager
// does for a control plane, done for all workspaces at once.
package upkeep
