package decide

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// listed bounds how many names one message lists.
const listed = 8

// NotAvailable is the decision for a location workspace that is not there, or
// whose sync targets are not for this workspace. The two read the same (D6).
func NotAvailable(path logicalcluster.Path) Decision {
	return Decision{
		Verdict: Nowhere,
		Reason:  ReasonLocationNotFound,
		Message: fmt.Sprintf("location workspace %q does not exist or does not admit this workspace: "+
			"correct spec.locationWorkspace, bind a compute export of it, or ask its owner to allow this workspace", path),
	}
}

func kept(r Request, a assessment) Decision {
	d := Decision{Verdict: Kept, Target: a.target, Location: a.location, RecheckAt: recheck(r, a.target)}
	d.Message = placed(a)
	if why := a.refusal(); why != "" {
		d.Message += "; it takes no new placements: " + why
	}
	return d
}

func chosen(r Request, a assessment) Decision {
	return Decision{Verdict: Chosen, Target: a.target, Location: a.location, Message: placed(a), RecheckAt: recheck(r, a.target)}
}

func placed(a assessment) string {
	return fmt.Sprintf("sync target %s through location %s", a.target.Name, a.location)
}

func stranded(r Request, a assessment, nothing Decision) Decision {
	return Decision{
		Verdict:   Stranded,
		Target:    a.target,
		Location:  a.location,
		Reason:    ReasonLocationInvalid,
		Message:   fmt.Sprintf("stays on sync target %s (%s) because nothing else fits: %s", a.target.Name, a.fault, nothing.Message),
		RecheckAt: recheck(r, a.target),
	}
}

// nothingFits explains why no target can be chosen, from the outside in.
func nothingFits(r Request, s Snapshot, matching []Location, assessed []assessment) Decision {
	d := Decision{Verdict: Nowhere, Reason: ReasonNoLocationMatch}
	switch {
	case len(r.LocationSelectors) == 0:
		d.Message = "spec.locationSelectors is empty, which selects no location: add an empty selector ({}) to accept every location"
	case len(s.Locations) == 0:
		d.Message = fmt.Sprintf("workspace %q has no locations: register a cluster there with \"kubectl atrium sync\"", s.Path)
	case len(matching) == 0:
		d.Message = fmt.Sprintf("no location in workspace %q matches %s; it has %s", s.Path, anyOf(r.LocationSelectors), locationList(s.Locations))
	default:
		d.Reason = ReasonNoValidTarget
		d.Message = noTarget(s, matching, assessed)
	}
	return d
}

func noTarget(s Snapshot, matching []Location, assessed []assessment) string {
	var refusals []string
	for _, a := range assessed {
		if a.admitted && a.location != "" {
			refusals = append(refusals, a.target.Name+": "+a.refusal())
		}
	}
	names := make([]string, 0, len(matching))
	for _, l := range matching {
		names = append(names, l.Name)
	}
	// The order of matching depends on what was chosen before; a message must not.
	slices.Sort(names)
	which := "location " + shorten(names, ", ") + " matches"
	if len(names) > 1 {
		which = "locations " + shorten(names, ", ") + " match"
	}
	if len(refusals) > 0 {
		return which + ", but no sync target there is available: " + shorten(refusals, "; ")
	}
	return fmt.Sprintf("%s, but no sync target in workspace %q that admits this workspace has the labels asked for: %s",
		which, s.Path, instancesOf(matching))
}

func anyOf(selectors []labels.Selector) string {
	words := make([]string, 0, len(selectors))
	for _, selector := range selectors {
		words = append(words, selectorText(selector))
	}
	return strings.Join(words, " or ")
}

func instancesOf(locations []Location) string {
	words := make([]string, 0, len(locations))
	for _, l := range locations {
		words = append(words, l.Name+" selects "+selectorText(l.Instances))
	}
	slices.Sort(words)
	return shorten(words, ", ")
}

func selectorText(selector labels.Selector) string {
	if text := selector.String(); text != "" {
		return text
	}
	return "everything"
}

func locationList(locations []Location) string {
	words := make([]string, 0, len(locations))
	for _, l := range locations {
		text := l.Labels.String()
		if text == "" {
			text = "no labels"
		}
		words = append(words, fmt.Sprintf("%s (%s)", l.Name, text))
	}
	return shorten(words, ", ")
}

// missing names the required resources that the target does not take.
func missing(required []schema.GroupResource, t *Target) string {
	var lacks []string
	for _, gr := range required {
		if !t.Accepted[gr] {
			lacks = append(lacks, gr.String())
		}
	}
	if len(lacks) == 0 {
		return ""
	}
	return "does not sync " + shorten(lacks, ", ")
}

func shorten(words []string, separator string) string {
	if len(words) <= listed {
		return strings.Join(words, separator)
	}
	return fmt.Sprintf("%s and %d more", strings.Join(words[:listed], separator), len(words)-listed)
}

// stamp writes a moment the way conditions do.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
