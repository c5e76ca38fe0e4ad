package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
)

// experiment measures one thing, or a few that come together, and adds rows to
// the table.
type experiment struct {
	// name is for -run, about for people.
	name, about string
	run         func(context.Context, *lab) error
}

// experiments are in the order in which they run. Those before "crud" share a
// hub; the last three share a hub with a child.
func experiments() []experiment {
	return []experiment{
		{"start", "exec to ready, empty", measureStart},
		{"idle", "resident, idle hub", measureIdle},
		{"create", "create to Ready, and the rate", measureCreate},
		{"memory", "resident per empty workspace", measureMemory},
		{"series", "metric series, few workspaces and many", measureSeries},
		{"delete", "delete all workspaces; memory afterwards", measureDelete},
		{"tree", "create and delete in a tree of depth 5", measureTree},
		{"authorize", "an authorized request with N workspaces, and with 10", measureAuthorize},
		{"list", "LIST and WATCH in one workspace with N others, and alone", measureList},
		{"watchers", "one workspace with idle watchers in others, and without", measureWatchers},
		{"claims", "a claim that N bindings have accepted comes into force, and goes", measureClaims},
		{"discovery", "a change of what a workspace serves, until it is described", measureDiscovery},
		{"shapes", "the same ten definitions in all workspaces of a hub", measureShapes},
		{"restart", "exec to ready, with N workspaces", measureRestart},
		{"publish", "bind an API in all workspaces, and unbind it", measurePublish},
		{"provider", "an export bound in N workspaces, watched by its provider", measureProvider},
		{"crud", "CRUD in one workspace, and in a plain kube-apiserver", measureCRUD},
		{"down", "hub write to object in the child", measureDown},
		{"up", "child status to hub", measureUp},
		{"syncer", "resident, agent with its objects", measureSyncer},
	}
}

func chosen(run *regexp.Regexp) []experiment {
	var out []experiment
	for _, e := range experiments() {
		if run.MatchString(e.name) {
			out = append(out, e)
		}
	}
	return out
}

func listExperiments(out io.Writer) {
	for _, e := range experiments() {
		fmt.Fprintf(out, "%-11s%s\n", e.name, e.about)
	}
}
