package views

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/atriumhub/atrium/pkg/target"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// split takes a path apart:
//
//	/services/<kind>/<as many segments as are named>/clusters/<workspace><inner>
//
// inner begins with a slash.
func split(path, kind string, named int) (segments []string, workspace, inner string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/services/"+kind+"/")
	all := strings.SplitN(rest, "/", named+3)
	if !ok || len(all) < named+2 || all[named] != "clusters" {
		return nil, "", "", false
	}
	if inner = "/"; len(all) == named+3 {
		inner += all[named+2]
	}
	return all[:named], all[named+1], inner, true
}

// isNested reports whether a path goes on to name a workspace or a view.
func isNested(inner string) bool {
	for _, prefix := range []string{"/clusters", "/services"} {
		if inner == prefix || strings.HasPrefix(inner, prefix+"/") {
			return true
		}
	}
	return false
}

// isWorkspace reports whether path can name a workspace.
func isWorkspace(path logicalcluster.Path) bool {
	name, single := path.Name()
	return path.IsValid() || single && name.IsValid()
}

// address is what a path into a view of something that a provider has says:
//
//	/services/<kind>/<owner>/<name>/clusters/<consumer><inner>
//
// Both workspaces may be given by their IDs or by their paths, and the consumer may
// be all of them.
type address struct {
	owner, consumer logicalcluster.Path
	name, inner     string
}

// addressOf reads a path into the view of the given kind. Messages call what the
// view is of thing, and say in which status its address stands.
func addressOf(path, kind, thing, status string) (address, error) {
	refuse := func(what, got string) (address, error) {
		return address{}, fmt.Errorf("%w: %s %q; expected /services/%s/<workspace>/<%s>/clusters/<workspace or *>/..., as in status.endpoints of %s",
			ErrMalformed, what, target.Shorten(got), kind, thing, status)
	}
	segments, consumer, inner, ok := split(path, kind, 2)
	if !ok {
		return refuse("path", path)
	}
	a := address{owner: logicalcluster.Path(segments[0]), name: segments[1], consumer: logicalcluster.Path(consumer), inner: inner}
	switch {
	case !isWorkspace(a.owner):
		return refuse("workspace of the "+thing, segments[0])
	case len(validation.IsDNS1123Subdomain(a.name)) > 0:
		return refuse(thing, a.name)
	case a.consumer != logicalcluster.Wildcard.Path() && !isWorkspace(a.consumer):
		return refuse("workspace", consumer)
	case isNested(inner):
		return refuse("nested path", inner)
	}
	return a, nil
}

// target is where a request to the address goes, as far as the path says.
func (a address) target(kind string) target.Target {
	return target.Target{Path: a.consumer, View: &target.View{Kind: kind, Name: a.owner.Join(a.name).String(), Target: a.name}}
}
