package server

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
)

// TestMountsOfManyKinds: one workspace does not make the hub watch ever more; who is
// not served is told, and is served when another one goes.
func TestMountsOfManyKinds(t *testing.T) {
	const many, served = 25, 20
	path, _ := newWorkspace(t)
	ctx, v := limit(t), inventor{round: "mount", path: path, hub: withToken(t, "alice-token")}
	mounts := client.Workspaces(v.hub, path)
	inParallel(t, many, func(i int) error {
		if err := post(ctx, v.hub, path, crdsPath, v.definition(i)); err != nil {
			return err
		}
		_, err := mounts.Create(ctx, &tenancyv1alpha1.Workspace{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("m%d", i)},
			Spec: tenancyv1alpha1.WorkspaceSpec{Mount: &tenancyv1alpha1.Mount{Reference: tenancyv1alpha1.ObjectReference{
				APIVersion: v.resource(i).GroupVersion().String(), Kind: v.kind(i), Namespace: "default", Name: "a",
			}}},
		}, metav1.CreateOptions{})
		return err
	})
	// refused returns the mounts for which there is no room, and the others, once
	// all are judged.
	refused := func() (refused, watched []string, err error) {
		list, err := mounts.List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, nil, err
		}
		for _, mount := range list.Items {
			condition := conditionsv1alpha1.Get(mount.Status.Conditions, tenancyv1alpha1.MountConditionReady)
			switch {
			case condition != nil && condition.Reason == tenancyv1alpha1.MountTooManyKindsReason:
				refused = append(refused, mount.Name)
			case condition != nil && strings.Contains(condition.Message, `"default/a" not found`):
				watched = append(watched, mount.Name)
			default:
				return nil, nil, fmt.Errorf("%s: %+v", mount.Name, condition)
			}
		}
		return refused, watched, nil
	}
	for left := many; left > served; left-- {
		var name string
		await(ctx, t, "the mounts settle", func() error {
			refused, watched, err := refused()
			if err == nil && (len(watched) != served || len(refused) != left-served) {
				err = fmt.Errorf("watched %v, refused %v", watched, refused)
			}
			if err == nil {
				name = watched[0]
			}
			return err
		})
		if err := mounts.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}
