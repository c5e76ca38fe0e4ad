package crds

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsclient "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/typed/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/loop"
	"github.com/atriumhub/atrium/pkg/schemas"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Definitions are the CustomResourceDefinitions of all workspaces, as an
// *informers.Informer holds them. What it returns is read-only.
type Definitions interface {
	catalog.Definitions
	Get(logicalcluster.Key) (*apiextensionsv1.CustomResourceDefinition, bool)
	In(logicalcluster.Name) []*apiextensionsv1.CustomResourceDefinition
}

// Config is what the Controller works with.
type Config struct {
	// Hub writes status and deletes objects.
	Hub *client.Hub
	// Definitions must feed Catalog before they feed the Controller.
	Definitions Definitions
	// Catalog tells which names are taken by APIs that are no definitions of
	// the workspace, and which definition answers for a resource.
	Catalog *catalog.Catalog
	// Purge removes the objects of a resource in a workspace from the store
	// without asking anybody. It is for objects no request can reach any more.
	Purge func(context.Context, logicalcluster.Name, ...schema.GroupResource) error
	// Clock is the real one when nil.
	Clock clock.WithTicker
	// Workers is how many definitions are handled at a time; 4 when zero.
	Workers int
}

// stripes is how many workspaces can have names given out at a time.
const stripes = 64

// Controller is the loop. Make it with New.
type Controller struct {
	*loop.Loop
	config Config

	naming [stripes]sync.Mutex // one workspace's names are given out one at a time
	ahead  ahead
}

// New returns a Controller that listens to the definitions from now on and
// acts once it runs.
func New(config Config) *Controller {
	if config.Clock == nil {
		config.Clock = clock.RealClock{}
	}
	if config.Workers == 0 {
		config.Workers = 4
	}
	c := &Controller{config: config, ahead: ahead{written: map[logicalcluster.Key]*apiextensionsv1.CustomResourceDefinition{}}}
	c.Loop = loop.New(loop.Config{Name: "crds", Workers: config.Workers, Clock: config.Clock, Reconcile: c.reconcile})
	config.Definitions.OnChange(func(_, crd *apiextensionsv1.CustomResourceDefinition, key logicalcluster.Key) {
		c.ahead.observe(key, crd)
		c.Enqueue(key)
	})
	config.Catalog.OnRebound(func(ws logicalcluster.Name) {
		for _, crd := range config.Definitions.In(ws) {
			c.Enqueue(logicalcluster.Key{Workspace: ws, Name: crd.Name})
		}
	})
	return c
}

// reconcile brings one definition a step further.
func (c *Controller) reconcile(ctx context.Context, key logicalcluster.Key) (loop.Result, error) {
	crd, ok := c.config.Definitions.Get(key)
	if !ok {
		c.enqueueGroup(key) // it may have had names that others want
		return loop.Result{}, nil
	}
	if !crd.DeletionTimestamp.IsZero() && apihelpers.CRDHasFinalizer(crd, apiextensionsv1.CustomResourceCleanupFinalizer) {
		return c.finish(ctx, key, crd)
	}
	return loop.Result{}, c.judge(ctx, key, crd)
}

// judge writes the names and conditions that crd should have.
func (c *Controller) judge(ctx context.Context, key logicalcluster.Key, crd *apiextensionsv1.CustomResourceDefinition) error {
	lock := &c.naming[stripe(key.Workspace)]
	lock.Lock()
	defer lock.Unlock()
	claims := append(c.config.Catalog.Claims(key.Workspace, crd.Spec.Group),
		schemas.ClaimsAround(crd, c.ahead.latest(key.Workspace, c.config.Definitions.In(key.Workspace)))...)
	status := schemas.Status(crd, claims, c.now())
	if schemas.SameStatus(&crd.Status, &status) {
		return nil
	}
	written, err := c.write(ctx, key, crd, status, nil)
	if written == nil {
		return err
	}
	c.ahead.wrote(key, written, c.config.Definitions.Get)
	if released(crd, written) {
		c.enqueueGroup(key)
	}
	return nil
}

// released reports whether names that before had are not among those of after.
func released(before, after *apiextensionsv1.CustomResourceDefinition) bool {
	held := map[string]bool{}
	for _, name := range namesOf(after) {
		held[name] = true
	}
	for _, name := range namesOf(before) {
		if name != "" && !held[name] {
			return true
		}
	}
	return false
}

func namesOf(crd *apiextensionsv1.CustomResourceDefinition) []string {
	names := crd.Status.AcceptedNames
	return append([]string{names.Plural, names.Singular, names.Kind, names.ListKind}, names.ShortNames...)
}

// write stores status, and finalizers unless they are nil. It returns nil
// without an error when the definition changed or went meanwhile: the change
// brings it back here.
func (c *Controller) write(ctx context.Context, key logicalcluster.Key, crd *apiextensionsv1.CustomResourceDefinition, status apiextensionsv1.CustomResourceDefinitionStatus, finalizers []string) (*apiextensionsv1.CustomResourceDefinition, error) {
	definitions, err := c.client(key.Workspace)
	if err != nil {
		return nil, err
	}
	data, err := patchOf(crd, status, finalizers)
	if err != nil {
		return nil, loop.Terminal(err)
	}
	written, err := definitions.Patch(ctx, crd.Name, types.MergePatchType, data, metav1.PatchOptions{}, "status")
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("update status of %s: %w", key, err)
	}
	return written, nil
}

// patchOf returns a merge patch that applies only to crd as it is. A patch,
// because what the informer holds is not the whole definition.
func patchOf(crd *apiextensionsv1.CustomResourceDefinition, status apiextensionsv1.CustomResourceDefinitionStatus, finalizers []string) ([]byte, error) {
	metadata := map[string]any{"uid": crd.UID, "resourceVersion": crd.ResourceVersion}
	if finalizers != nil {
		metadata["finalizers"] = finalizers
	}
	names := status.AcceptedNames
	data, err := json.Marshal(map[string]any{
		"metadata": metadata,
		"status": map[string]any{
			"conditions": status.Conditions,
			// All fields, also the empty ones: what is left out would stay.
			"acceptedNames": map[string]any{
				"plural": names.Plural, "singular": names.Singular, "kind": names.Kind, "listKind": names.ListKind,
				"shortNames": names.ShortNames, "categories": names.Categories,
			},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	return data, nil
}

func (c *Controller) client(ws logicalcluster.Name) (apiextensionsclient.CustomResourceDefinitionInterface, error) {
	clientset, err := apiextensionsclient.NewForConfigAndClient(c.config.Hub.Config(ws.Path()), c.config.Hub.HTTPClient())
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", ws, err)
	}
	return clientset.CustomResourceDefinitions(), nil
}

// enqueueGroup asks for the other definitions in the group of key.
func (c *Controller) enqueueGroup(key logicalcluster.Key) {
	_, group, _ := strings.Cut(key.Name, ".")
	for _, crd := range c.config.Definitions.In(key.Workspace) {
		if crd.Spec.Group == group && crd.Name != key.Name {
			c.Enqueue(logicalcluster.Key{Workspace: key.Workspace, Name: crd.Name})
		}
	}
}

func (c *Controller) now() metav1.Time { return metav1.NewTime(c.config.Clock.Now()) }

func stripe(ws logicalcluster.Name) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(ws))
	return h.Sum32() % stripes
}
