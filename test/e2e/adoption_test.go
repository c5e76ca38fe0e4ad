package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/atriumhub/atrium/pkg/failpoint"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// adoptionDeath is a step of an adoption at which the hub is to die. Each has a
// workspace of its own with banners of its own.
type adoptionDeath struct {
	moment
	name string
	// banners are the UIDs of the objects by name.
	banners map[string]types.UID
}

func (d *adoptionDeath) path() logicalcluster.Path { return root.Join(d.name) }
func (d *adoptionDeath) subject() string           { return d.name }

var banners = schema.GroupVersionResource{Group: "example.io", Version: "v1", Resource: "banners"}

const offeredBanners = `{"apiVersion":"apis.kcp.io/v1alpha1","kind":"APIResourceSchema","metadata":{"name":"v1.banners.example.io"},
"spec":{"group":"example.io","scope":"Namespaced","names":{"plural":"banners","singular":"banner","kind":"Banner","listKind":"BannerList"},
"versions":[{"name":"v1","served":true,"storage":true,"schema":{"type":"object","properties":{
"spec":{"type":"object","required":["size"],"properties":{"size":{"type":"integer"}}}}}}]}}`

const bannersExport = `{"apiVersion":"apis.kcp.io/v1alpha2","kind":"APIExport","metadata":{"name":"banners"},
"spec":{"resources":[{"group":"example.io","name":"banners","schema":"v1.banners.example.io"}]}}`

const adoptingBinding = `{"apiVersion":"apis.kcp.io/v1alpha2","kind":"APIBinding","metadata":{"name":"banners","annotations":{"apis.atrium.io/adopt-crd":"true"}},
"spec":{"reference":{"export":{"path":"root:printer","name":"banners"}}}}`

// TestHubDiesWhileAdopting kills the hub before and after each step of taking over
// the objects of a definition. Once it runs again that has to end well, without any
// help: no object is lost, nor shown while some are here and some there, and the
// definition goes.
func TestHubDiesWhileAdopting(t *testing.T) {
	t.Parallel()
	m := newMortal(t, fmt.Sprintf("adopting-%d", mortalRuns.Add(1)))
	if err := m.make(limit(t), root, "printer"); err != nil {
		t.Fatal(err)
	}
	for path, body := range map[string]string{"v1alpha1/apiresourceschemas": offeredBanners, "v1alpha2/apiexports": bannersExport} {
		if err := m.post(limit(t), root.Join("printer"), "/apis/apis.kcp.io/"+path, body); err != nil {
			t.Fatal(err)
		}
	}
	var all []*adoptionDeath
	for i, when := range momentsOf(failpoint.AdoptionSteps) {
		d := &adoptionDeath{moment: when, name: fmt.Sprintf("z%02d", i)}
		if err := m.prepareAdoption(limit(t), d); err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		all = append(all, d)
	}
	dieOf(t, m, all, m.dieWhileAdopting, m.checkAdoption)
	for _, d := range all {
		m.checkAdopted(t, d)
	}
}

// prepareAdoption makes a workspace with banners. Those that are moved are more than
// are before that is noted.
func (m *mortal) prepareAdoption(ctx context.Context, d *adoptionDeath) error {
	if err := m.make(ctx, root, d.name); err != nil {
		return err
	}
	if err := m.post(ctx, d.path(), "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", bannerCRD("integer")); err != nil {
		return err
	}
	objects := m.shard.Dynamic(d.path()).Resource(banners).Namespace("default")
	if err := again(ctx, func() error { _, err := objects.List(ctx, metav1.ListOptions{}); return err }); err != nil {
		return err
	}
	n := 20
	if d.step == failpoint.MoveAdopted {
		n = 1030
	}
	writing, ctx := errgroup.WithContext(ctx)
	writing.SetLimit(8)
	for i := range n {
		writing.Go(func() error {
			body := strings.Replace(banner("300"), `"spring"`, fmt.Sprintf(`"b%04d"`, i), 1)
			return m.post(ctx, d.path(), "/apis/example.io/v1/namespaces/default/banners", body)
		})
	}
	if err := writing.Wait(); err != nil {
		return err
	}
	var err error
	if d.banners, err = m.banners(context.WithoutCancel(ctx), d); err == nil && len(d.banners) != n {
		err = fmt.Errorf("%d banners are stored, want %d", len(d.banners), n)
	}
	return err
}

func (m *mortal) banners(ctx context.Context, d *adoptionDeath) (map[string]types.UID, error) {
	list, err := m.shard.Dynamic(d.path()).Resource(banners).Namespace("default").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	found := map[string]types.UID{}
	for i := range list.Items {
		found[list.Items[i].GetName()] = list.Items[i].GetUID()
	}
	return found, nil
}

// dieWhileAdopting asks for what the hub is to die of.
func (m *mortal) dieWhileAdopting(ctx context.Context, d *adoptionDeath) error {
	return m.post(ctx, d.path(), "/apis/apis.kcp.io/v1alpha2/apibindings", adoptingBinding)
}

// checkAdoption waits until banners are served, and by the binding. Whenever they
// are, all are there.
func (m *mortal) checkAdoption(t *testing.T, d *adoptionDeath) {
	t.Helper()
	ctx := limit(t)
	err := again(ctx, func() error {
		found, err := m.banners(ctx, d)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(d.banners, found); diff != "" {
			t.Fatalf("%s: banners (-before +now):\n%.2000s", d, diff)
		}
		binding, err := client.APIBindings(m.shard, d.path()).Get(ctx, "banners", metav1.GetOptions{})
		if err == nil && (binding.Status.Phase != apisv1alpha2.APIBindingPhaseBound || len(binding.Status.BoundResources) != 1) {
			err = fmt.Errorf("the binding says %+v", binding.Status)
		}
		return err
	})
	if err != nil {
		t.Errorf("%s: %v", d, err)
	}
}

// checkAdopted waits until the definition has gone, and looks where objects lie.
func (m *mortal) checkAdopted(t *testing.T, d *adoptionDeath) {
	t.Helper()
	ctx := limit(t)
	definitions := m.shard.Dynamic(d.path()).Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	err := again(ctx, func() error {
		if _, err := definitions.Get(ctx, "banners.example.io", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("the definition is not gone: %w", err)
		}
		return nil
	})
	if err != nil {
		t.Errorf("%s: %v", d, err)
	}
	m.checkAdoption(t, d)
	local, bound := 0, 0
	for _, key := range etcdKeys(t, m.Dir) {
		switch {
		case !strings.Contains(key, "/example.io/banners/") || !strings.Contains(key, "/"+d.name+"/"):
		case strings.Contains(key, "/customresources/"):
			local++
		default:
			bound++
		}
	}
	if local != 0 || bound != len(d.banners) {
		t.Errorf("%s: %d objects are left where the definition had them, and %d of %d are the binding's", d, local, bound, len(d.banners))
	}
}
