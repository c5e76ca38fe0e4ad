package main

import (
	"fmt"
	"time"
)

// The budgets of the design.
const (
	budgetReadyEmpty    = 1500 * time.Millisecond
	budgetReadyMost     = 4 * time.Second // with most workspaces
	budgetIdle          = 200e6
	budgetPerWorkspace  = 40e3
	budgetCreateP50     = 20 * time.Millisecond
	budgetCreateP99     = 100 * time.Millisecond
	budgetCreateRate    = 150
	budgetDeleteMost    = 2 * time.Minute // of most workspaces
	budgetPublishMost   = 2 * time.Minute // to most workspaces
	budgetMemoryKept    = 1.15            // after deletion, of what it was before
	budgetSeriesGrowth  = 0.01
	budgetThroughput    = 0.9 // of that of what it is compared with
	budgetSlowdown      = 1.1
	budgetCopy          = 25 * time.Millisecond // added to the child's own, either way
	budgetSyncer        = 150e6                 // with most objects
	budgetSyncerObjects = most
	budgetWatchedObject = 10e3        // of heap, in the one cache behind a provider's watch
	budgetDescribed     = time.Second // of a change, in all forms of discovery
	budgetOneWatch      = 10e6        // of the definitions of one workspace, whatever others have
	budgetShapes        = 10          // held of as many equal definitions in all workspaces
)

// readyBudget is for a start with n workspaces: the part that grows with them is
// in proportion.
func readyBudget(n int) time.Duration {
	return budgetReadyEmpty + (budgetReadyMost-budgetReadyEmpty)*time.Duration(n)/most
}

// deleteBudget is for the deletion of n workspaces.
func deleteBudget(n int) time.Duration { return budgetDeleteMost * time.Duration(n) / most }

// share names a budget for n workspaces, and the whole one if that is another.
func shareOf(budget, whole time.Duration) string {
	if budget == whole {
		return fmt.Sprintf("%.4g s", whole.Seconds())
	}
	return fmt.Sprintf("%.4g s (%.4g s at %d)", budget.Seconds(), whole.Seconds(), most)
}
