package arrows

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Plan is what Check holds the repository against.
type Plan struct {
	Floors     []Floor
	Walls      []Wall
	Exceptions []Exception
	Roof       string
}

// Check returns a sentence for every breach of the laws, each with its reason
// and the way out, sorted.
func Check(plan Plan, packages []string, imports []Import, graph Graph) []string {
	house := newHouse(plan)
	breaches := slices.Concat(house.checkListed(packages, imports), house.checkArrows(imports), house.checkWalls(packages, imports, graph))
	slices.Sort(breaches)
	return slices.Compact(breaches)
}

// house is a plan, indexed.
type house struct {
	Plan
	// level is the number of a package's floor, the ground being 0.
	level map[string]int
}

func newHouse(plan Plan) *house {
	h := &house{Plan: plan, level: map[string]int{}}
	for level, floor := range plan.Floors {
		for _, room := range floor.Rooms {
			h.level[room] = level
		}
	}
	return h
}

func (h *house) floor(room string) string {
	floor := h.Floors[h.level[room]]
	return floor.Name + " (" + floor.What + ")"
}

// checkListed holds L4.
func (h *house) checkListed(packages []string, imports []Import) []string {
	var breaches []string
	for _, room := range packages {
		if _, listed := h.level[room]; !listed && !within(room, h.Roof) {
			breaches = append(breaches, fmt.Sprintf("%s is on no floor. Way out: add it to %s in internal/arrows/house.go, the lowest it can be on.", room, h.lowest(room, imports)))
		}
	}
	for room := range h.level {
		if !slices.Contains(packages, room) {
			breaches = append(breaches, fmt.Sprintf("%s is on %s but does not exist. Way out: remove it from internal/arrows/house.go.", room, h.floor(room)))
		}
	}
	return breaches
}

// lowest is the floor above everything that a package imports.
func (h *house) lowest(room string, imports []Import) string {
	level := 0
	for _, i := range imports {
		if below, listed := h.level[i.To]; i.From == room && listed {
			level = max(level, below+1)
		}
	}
	return h.Floors[min(level, len(h.Floors)-1)].Name
}

// checkArrows holds L1 and L2.
func (h *house) checkArrows(imports []Import) []string {
	var breaches []string
	used := map[Exception]bool{}
	for _, i := range imports {
		why := h.against(i)
		if why == "" {
			continue
		}
		if at := slices.IndexFunc(h.Exceptions, func(e Exception) bool { return e.From == i.From && e.To == i.To }); at >= 0 {
			used[h.Exceptions[at]] = true
			continue
		}
		breaches = append(breaches, fmt.Sprintf("%s imports %s: %s", i.File, i.To, why))
	}
	for _, e := range h.Exceptions {
		if !used[e] {
			breaches = append(breaches, fmt.Sprintf("%s no longer imports %s. Way out: remove the exception from internal/arrows/house.go.", e.From, e.To))
		}
	}
	return breaches
}

// against returns why an arrow is against the plan, or "".
func (h *house) against(i Import) string {
	from, fromListed := h.level[i.From]
	to, toListed := h.level[i.To]
	switch {
	case i.From == i.To, within(i.From, h.Roof):
		return ""
	case within(i.To, h.Roof):
		return "what tests share is not for programs. Way out: move what is needed down into the house."
	case !fromListed, !toListed:
		return "" // of another module, or on no floor, which checkListed says
	case within(i.From, i.To):
		return "a folder does not know the folder it lies in. Way out: move what both need into a third package, or the child out of the folder."
	case within(i.To, i.From), from > to:
		return ""
	case from == to:
		return fmt.Sprintf("both are on %s, and rooms of a floor do not know each other. Way out: put the words both need on a lower floor, or let the floor above join them with a function.", h.floor(i.From))
	default:
		return fmt.Sprintf("that is up from %s to %s. Way out: take it as a function or an interface at construction, or move what is needed down.", h.floor(i.From), h.floor(i.To))
	}
}

// checkWalls holds L3.
func (h *house) checkWalls(packages []string, imports []Import, graph Graph) []string {
	var breaches []string
	for _, wall := range h.Walls {
		because := fmt.Sprintf("%s. Way out: %s.", wall.Why, wall.Instead)
		for _, i := range imports {
			if !i.InTest && matches(i.From, wall.Rooms) && wall.keepsOut(i.To) {
				breaches = append(breaches, fmt.Sprintf("%s imports %s: %s", i.File, i.To, because))
			}
		}
		for _, room := range packages {
			if !wall.Deep || !matches(room, wall.Rooms) {
				continue
			}
			if way := wayTo(graph, room, wall.keepsOut); len(way) > 2 {
				breaches = append(breaches, fmt.Sprintf("%s: %s", strings.Join(way, " -> "), because))
			}
		}
	}
	return append(breaches, h.checkWallRooms(packages)...)
}

// checkWallRooms holds L4 for walls.
func (h *house) checkWallRooms(packages []string) []string {
	var breaches []string
	for _, wall := range h.Walls {
		for _, room := range wall.Rooms {
			if !slices.ContainsFunc(packages, func(p string) bool { return matches(p, []string{room}) }) {
				breaches = append(breaches, fmt.Sprintf("a wall is around %s, which does not exist. Way out: remove it from internal/arrows/house.go.", room))
			}
		}
	}
	return breaches
}

func (w Wall) keepsOut(to string) bool {
	return slices.ContainsFunc(w.Out, func(out string) bool { return within(to, out) })
}

// wayTo returns the shortest way through the graph from a package to one that is
// wanted, both ends included; nil if there is none.
func wayTo(graph Graph, from string, wanted func(string) bool) []string {
	cameFrom := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if wanted(at) {
			return retrace(cameFrom, at)
		}
		next := slices.SortedFunc(slices.Values(graph[at]), cmp.Compare)
		for _, to := range next {
			if _, seen := cameFrom[to]; !seen {
				cameFrom[to] = at
				queue = append(queue, to)
			}
		}
	}
	return nil
}

func retrace(cameFrom map[string]string, to string) []string {
	var way []string
	for at := to; at != ""; at = cameFrom[at] {
		way = append(way, at)
	}
	slices.Reverse(way)
	return way
}

// matches tells whether a package is meant by one of patterns like "x" or "x/...".
func matches(room string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		folder, all := strings.CutSuffix(pattern, "/...")
		return room == folder || all && within(room, folder)
	})
}

// within tells whether an import path is folder or lies below it.
func within(importPath, folder string) bool {
	return importPath == folder || strings.HasPrefix(importPath, folder+"/")
}
