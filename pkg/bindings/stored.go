package bindings

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/atriumhub/atrium/pkg/schemas"
	"github.com/atriumhub/atrium/pkg/schemas/fit"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// lookedAt is how many objects are read to find out whether they fit a schema. Who
// has more has to wait for a compatible one.
const lookedAt = 100

// Look returns the first objects of a resource in a workspace, and whether there
// are more.
type Look func(ctx context.Context, workspace logicalcluster.Name, gvr schema.GroupVersionResource, limit int64) (objects []unstructured.Unstructured, more bool, err error)

// hubLook is Look through a client.
func hubLook(hub *client.Hub) Look {
	return func(ctx context.Context, workspace logicalcluster.Name, gvr schema.GroupVersionResource, limit int64) ([]unstructured.Unstructured, bool, error) {
		list, err := hub.Dynamic(workspace.Path()).Resource(gvr).List(ctx, metav1.ListOptions{Limit: limit})
		if apierrors.IsNotFound(err) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, fmt.Errorf("failed to look at the %s of workspace %s: %w", gvr.GroupResource(), workspace, err)
		}
		return list.Items, list.GetContinue() != "", nil
	}
}

// versionsOf returns the versions in which objects lie, in order.
func (k *keeper) versionsOf(ctx context.Context, workspace logicalcluster.Name, resource schema.GroupResource, identity string) ([]string, error) {
	var versions []string
	for after := ""; ; {
		objects, err := k.Migration.Stored(ctx, workspace, resource, identity, after, migrationPage)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			after = o.Place
			version, ok := strings.CutPrefix(o.APIVersion, resource.Group+"/")
			if ok && !slices.Contains(versions, version) {
				versions = append(versions, version)
			}
		}
		if len(objects) < migrationPage {
			slices.Sort(versions)
			return versions, nil
		}
	}
}

// stillInTheWay leaves out of found what hurts no object that is stored in
// workspace: where there are none, or all fit. objects says which do not.
func (k *keeper) stillInTheWay(ctx context.Context, workspace logicalcluster.Name, identity string, c *comparison, found []schemas.Incompatibility) (left []schemas.Incompatibility, objects string, err error) {
	versions := schemas.ServedVersions(c.from)
	resource := schema.GroupResource{Group: c.from.Spec.Group, Resource: c.from.Spec.Names.Plural}
	n, err := k.CountStored(ctx, workspace, resource, identity)
	switch {
	case err != nil:
		return nil, "", err
	case n == 0:
		return slices.DeleteFunc(found, isStored), "", nil
	case n > lookedAt:
		return found, manyObjects, nil
	case schemas.CallsOut(c.from):
		return found, "", nil // nobody waits here for a webhook of somebody
	}
	fits, misfits := map[string]bool{}, map[string]bool{}
	for _, i := range found {
		// What is about a version or the resource as a whole is no matter of content.
		if _, done := fits[i.Version]; done || !isStored(i) || i.Path == "" || !slices.Contains(versions, i.Version) {
			continue
		}
		all, names, err := k.fit(ctx, workspace, resource.WithVersion(i.Version), c)
		if err != nil {
			return nil, "", err
		}
		fits[i.Version] = all
		for _, name := range names {
			misfits[name] = true
		}
	}
	left = slices.DeleteFunc(found, func(i schemas.Incompatibility) bool { return isStored(i) && i.Path != "" && fits[i.Version] })
	return left, misfitsText(slices.Sorted(maps.Keys(misfits))), nil
}

// fit reports whether all objects of workspace are valid under the new definition,
// and lose nothing, and which are not or do.
func (k *keeper) fit(ctx context.Context, workspace logicalcluster.Name, gvr schema.GroupVersionResource, c *comparison) (all bool, misfits []string, err error) {
	objects, more, err := k.Look(ctx, workspace, gvr, lookedAt)
	if err != nil || more {
		return false, nil, err
	}
	contents := make([]map[string]any, 0, len(objects))
	for i := range objects {
		contents = append(contents, objects[i].Object)
	}
	for _, i := range fit.Misfits(ctx, c.to, gvr.Version, contents) {
		misfits = append(misfits, strings.TrimPrefix(objects[i].GetNamespace()+"/"+objects[i].GetName(), "/"))
	}
	return len(misfits) == 0, misfits, nil
}

// manyObjects stands for objects of which it is not known which are in the way.
// There is no number in it, for it would change with each that is written.
var manyObjects = fmt.Sprintf("some of more than %d", lookedAt)

func misfitsText(names []string) string {
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0]
	}
	return fmt.Sprintf("%s and %d more", names[0], len(names)-1)
}
