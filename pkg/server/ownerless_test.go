package server

import (
	"fmt"
	"regexp"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// TestTerminatorsOfTypesThatAreGone: a workspace that waits for the terminator of a
// type which is gone says so, and what it says to do helps.
func TestTerminatorsOfTypesThatAreGone(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, platform logicalcluster.Path, workspace *tenancyv1alpha1.Workspace){
		"the type is deleted": func(t *testing.T, platform logicalcluster.Path, _ *tenancyv1alpha1.Workspace) {
			if err := client.WorkspaceTypes(as(t, "base"), platform).Delete(limit(t), "kept", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		"its workspace is deleted": func(t *testing.T, _ logicalcluster.Path, workspace *tenancyv1alpha1.Workspace) {
			remove(t, workspace.Name)
			awaitGone(t, workspace.Name)
		},
	} {
		t.Run(name, func(t *testing.T) {
			platform, home := newWorkspace(t)
			parent, _ := newWorkspace(t)
			ctx, admin := limit(t), as(t, "base")
			kind := universalAnd("kept", func(spec *tenancyv1alpha1.WorkspaceTypeSpec) { spec.Terminator = true })
			if _, err := client.WorkspaceTypes(admin, platform).Create(ctx, kind, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			resolved(ctx, t, platform, "kept")
			if _, err := client.Workspaces(admin, parent).Create(ctx, newTyped("team", typeRef(platform.String(), "kept")), metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			awaitIn(ctx, t, parent, "team", inPhase("Ready"))
			if err := client.Workspaces(admin, parent).Delete(ctx, "team", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			awaitIn(ctx, t, parent, "team", saysOfContent(`takes itself off status\.terminators`))
			lose(t, platform, home)
			said := awaitIn(ctx, t, parent, "team", saysOfContent(wayOut))
			command := regexp.MustCompile(wayOut).FindStringSubmatch(contentMessage(said))
			url, patch := command[1]+inside+"/status", []byte(command[2])
			if err := as(t, "shard-base").REST().Patch(types.MergePatchType).RequestURI(url).Body(patch).Do(ctx).Error(); err != nil {
				t.Fatalf("%s: %v", command[0], err)
			}
			await(ctx, t, "the workspace is gone", func() error {
				list, err := client.Workspaces(admin, parent).List(ctx, metav1.ListOptions{})
				if err == nil && len(list.Items) > 0 {
					err = fmt.Errorf("%s: %s", list.Items[0].Status.Phase, contentMessage(&list.Items[0]))
				}
				return err
			})
		})
	}
}

// wayOut is what a condition says to do, with server and patch in parentheses.
const wayOut = `nobody can answer for .*kubectl --context=shard-base --server=(\S+) patch logicalcluster cluster --subresource=status --type=merge -p '([^']*)'`

func saysOfContent(pattern string) func(*tenancyv1alpha1.Workspace) error {
	return func(workspace *tenancyv1alpha1.Workspace) error {
		if message := contentMessage(workspace); !regexp.MustCompile(pattern).MatchString(message) {
			return fmt.Errorf("says %q", message)
		}
		return nil
	}
}

func contentMessage(workspace *tenancyv1alpha1.Workspace) string {
	if condition := conditionsv1alpha1.Get(workspace.Status.Conditions, tenancyv1alpha1.WorkspaceContentDeleted); condition != nil {
		return condition.Message
	}
	return ""
}
