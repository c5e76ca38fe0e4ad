package views

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/lru"

	"github.com/atriumhub/atrium/pkg/catalog"
	"github.com/atriumhub/atrium/pkg/claims"
	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// keptOffers is how many exports are remembered in the form in which views show
// them.
const keptOffers = 256

// readVerbs are what the bindings of an export are shown with to its provider.
var readVerbs = []string{"get", "list", "watch"}

// apiBindings are shown by every export: a provider sees who has bound it.
var apiBindings = apisv1alpha2.Resource("apibindings")

// offer is all that an export shows at one moment. It is never changed.
type offer struct {
	export *apisv1alpha2.APIExport
	shown  map[schema.GroupResource]*exhibit
	set    *catalog.Set
	// schemas and owners are what it was made of besides the export.
	schemas map[logicalcluster.Key]*apisv1alpha1.APIResourceSchema
	owners  map[string][]*apisv1alpha2.APIExport
	apis    map[madeOf]*catalog.API
	choices []choice
	// variants are made when somebody asks.
	variants variants
}

// exhibit is one resource of an offer.
type exhibit struct {
	// api is nil for compiled-in registries.
	api *catalog.API
	// claim is nil for what the export offers itself.
	claim *apisv1alpha2.PermissionClaim
	// owners are the exports that a claimed resource comes from.
	owners []*apisv1alpha2.APIExport
	// verbs are all that it is shown with, anywhere; nil is everything.
	verbs []string
}

// madeOf identifies an API without looking into its schema.
type madeOf struct {
	schema   types.UID
	version  string
	kept     bool // whether there is a copy, which says how to convert
	provider schemas.Provider
	stored   string
}

// own reports whether the export offers the resource itself.
func (s *exhibit) own() bool { return s.claim == nil && s.verbs == nil }

// has reports whether the resource is shown with a verb at all.
func (s *exhibit) has(verb string) bool { return s.verbs == nil || claims.Allows(s.verbs, verb) }

// same reports whether a request that began under s may go on under other.
func (s *exhibit) same(other *exhibit) bool {
	return other != nil && s.shape() == other.shape() && s.own() == other.own() && s.identity() == other.identity()
}

func (s *exhibit) shape() string {
	if s.api == nil {
		return ""
	}
	return s.api.Shape
}

// identity says which claim shows the resource, if one does.
func (s *exhibit) identity() string {
	if s.claim == nil {
		return ""
	}
	return "claimed:" + s.claim.IdentityHash
}

// selector matches what is shown of the resource; nil is everything.
func (s *exhibit) selector(export logicalcluster.Key, reach claims.Reach) labels.Selector {
	switch from := claiming(export); {
	case s.own():
		return nil
	case s.claim == nil:
		return from.BindingsSelector()
	default:
		return from.Selector(*s.claim, reach)
	}
}

// offers makes and remembers offers.
type offers struct {
	ask    ExportsConfig
	system map[schema.GroupResource]*catalog.API
	kept   *lru.Cache // logicalcluster.Key → *offerSlot

	mu         sync.Mutex // guards what follows, and makes look-up and insertion in kept one step
	identities map[string]map[logicalcluster.Key]bool
}

// offerSlot holds the last offer of an export; its lock keeps others from making
// the same one.
type offerSlot struct {
	mu   sync.Mutex
	last *offer
}

func newOffers(ask ExportsConfig) *offers {
	o := &offers{
		ask: ask, system: map[schema.GroupResource]*catalog.API{}, kept: lru.New(keptOffers),
		identities: map[string]map[logicalcluster.Key]bool{},
	}
	for _, api := range ask.System {
		o.system[api.GroupResource()] = api
	}
	return o
}

// of returns what an export shows now, and false when there is no such export.
func (o *offers) of(key logicalcluster.Key) (*offer, bool) {
	export, found := o.ask.Exports.Get(key)
	if !found {
		o.kept.Remove(key)
		return nil, false
	}
	slot := o.slot(key)
	slot.mu.Lock()
	defer slot.mu.Unlock()
	if slot.last == nil || !o.current(slot.last, export) {
		slot.last = o.make(key, export, slot.last)
	}
	return slot.last, true
}

func (o *offers) slot(key logicalcluster.Key) *offerSlot {
	o.mu.Lock()
	defer o.mu.Unlock()
	if slot, ok := o.kept.Get(key); ok {
		return slot.(*offerSlot)
	}
	slot := &offerSlot{}
	o.kept.Add(key, slot)
	return slot
}

// current reports whether all that an offer was made of is still so.
func (o *offers) current(made *offer, export *apisv1alpha2.APIExport) bool {
	if made.export != export {
		return false
	}
	for _, c := range made.choices {
		if !o.stands(c) {
			return false
		}
	}
	for key, was := range made.schemas {
		if now, _ := o.ask.Schemas.Get(key); now != was {
			return false
		}
	}
	for identity, were := range made.owners {
		if !slices.Equal(o.byIdentity(identity), were) {
			return false
		}
	}
	return true
}

// make makes the offer of an export. What has not changed since the last one is
// taken over.
func (o *offers) make(key logicalcluster.Key, export *apisv1alpha2.APIExport, last *offer) *offer {
	m := &maker{offers: o, last: last, offer: &offer{
		export: export, shown: map[schema.GroupResource]*exhibit{}, schemas: map[logicalcluster.Key]*apisv1alpha1.APIResourceSchema{},
		owners: map[string][]*apisv1alpha2.APIExport{}, apis: map[madeOf]*catalog.API{},
	}}
	if export.Status.IdentityHash != "" {
		for i := range export.Spec.Resources {
			m.offerOwn(key.Workspace, &export.Spec.Resources[i])
		}
	}
	for i := range export.Spec.PermissionClaims {
		claim := &export.Spec.PermissionClaims[i]
		m.offerClaimed(claim, schema.GroupResource{Group: claim.Group, Resource: claim.Resource})
	}
	for gr, s := range maps.Clone(m.shown) {
		// Who claims events claims them under both names: recorders take the newer one.
		if other, ok := claims.OtherName(gr); ok && s.claim != nil {
			m.offerClaimed(s.claim, other)
		}
	}
	if _, claimed := m.shown[apiBindings]; !claimed {
		m.shown[apiBindings] = &exhibit{api: o.system[apiBindings], verbs: readVerbs}
	}
	m.set = setOf(m.shown)
	return m.offer
}

// maker makes one offer.
type maker struct {
	*offers
	*offer
	last *offer
}

func (m *maker) offerOwn(workspace logicalcluster.Name, resource *apisv1alpha2.ResourceSchema) {
	gr := schema.GroupResource{Group: resource.Group, Resource: resource.Name}
	if resource.Storage.Virtual != nil || m.system[gr] != nil {
		return // it is served elsewhere, or nobody but the hub offers it
	}
	if api := m.api(m.export, workspace, resource); api != nil {
		m.shown[gr] = &exhibit{api: api}
	}
}

// offerClaimed adds what a claim is for. It is left out while nobody serves it.
// What the export offers itself is not claimed.
func (m *maker) offerClaimed(claim *apisv1alpha2.PermissionClaim, gr schema.GroupResource) {
	if _, taken := m.shown[gr]; taken {
		return
	}
	s := &exhibit{claim: claim, verbs: claim.Verbs}
	switch {
	case m.system[gr] != nil:
		s.api = m.system[gr]
	case m.ask.Native(gr):
	case claim.IdentityHash != "":
		if !m.lookUpOwners(s, gr) {
			return
		}
	default:
		return
	}
	if gr == apiBindings {
		s.verbs = slices.Compact(slices.Sorted(slices.Values(slices.Concat(claim.Verbs, readVerbs))))
	}
	m.shown[gr] = s
}

// lookUpOwners finds the exports that a claimed resource comes from. The first one
// says how it looks: who shares an identity keeps schemas compatible.
func (m *maker) lookUpOwners(s *exhibit, gr schema.GroupResource) bool {
	identity := s.claim.IdentityHash
	if _, known := m.owners[identity]; !known {
		m.owners[identity] = m.byIdentity(identity)
	}
	for _, owner := range m.owners[identity] {
		i := slices.IndexFunc(owner.Spec.Resources, func(r apisv1alpha2.ResourceSchema) bool {
			return r.Group == gr.Group && r.Name == gr.Resource && r.Storage.Virtual == nil
		})
		if i < 0 {
			continue
		}
		s.owners = append(s.owners, owner)
		if s.api == nil {
			s.api = m.api(owner, logicalcluster.From(owner), &owner.Spec.Resources[i])
		}
	}
	return s.api != nil
}

// api returns a resource as export offers it now, or nil while its schema is
// missing or cannot be read.
func (m *maker) api(export *apisv1alpha2.APIExport, workspace logicalcluster.Name, resource *apisv1alpha2.ResourceSchema) *catalog.API {
	c := m.choice(export, workspace, resource)
	key := logicalcluster.Key{Workspace: workspace, Name: m.widest(workspace, resource, c)}
	found, ok := m.ask.Schemas.Get(key)
	m.schemas[key] = found
	if !ok || found.Spec.Group != resource.Group || found.Spec.Names.Plural != resource.Name {
		return nil
	}
	provider := schemas.Provider{Workspace: workspace, Export: export.Name, Identity: export.Status.IdentityHash}
	copyKey := logicalcluster.Key{Workspace: logicalcluster.SystemBoundCRDs, Name: schemas.CopyName(found.UID, resource.Name, resource.Group)}
	kept, _ := m.ask.Schemas.Get(copyKey)
	m.schemas[copyKey] = kept
	source := madeOf{schema: found.UID, version: found.ResourceVersion, kept: kept != nil, provider: provider, stored: strings.Join(c.stored, ",")}
	if m.last != nil && m.last.apis[source] != nil {
		m.apis[source] = m.last.apis[source]
		return m.apis[source]
	}
	api, err := catalog.Exported{
		Schema: found, Kept: kept, Stored: c.stored, Provider: provider, Export: m.ask.FullName(workspace, export.Name),
	}.API()
	if err != nil {
		klog.V(2).InfoS("An exported schema cannot be read", "schema", key, "err", err)
		return nil
	}
	m.apis[source] = api
	return api
}

// setOf returns the set in which exactly these resources are shown.
func setOf(all map[schema.GroupResource]*exhibit) *catalog.Set {
	var apis []*catalog.API
	var natives []schema.GroupResource
	limits := map[schema.GroupResource][]string{}
	for gr, s := range all {
		if s.api != nil {
			apis = append(apis, s.api)
		} else {
			natives = append(natives, gr)
		}
		if s.verbs != nil {
			limits[gr] = s.verbs
		}
	}
	return catalog.NewViewSet(apis, natives).Limited(limits)
}

// byIdentity returns the exports with an identity, in an order that does not
// change.
func (o *offers) byIdentity(identity string) []*apisv1alpha2.APIExport {
	o.mu.Lock()
	keys := make([]logicalcluster.Key, 0, len(o.identities[identity]))
	for key := range o.identities[identity] {
		keys = append(keys, key)
	}
	o.mu.Unlock()
	slices.SortFunc(keys, func(a, b logicalcluster.Key) int {
		return cmp.Or(cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.Name, b.Name))
	})
	var exports []*apisv1alpha2.APIExport
	for _, key := range keys {
		if export, ok := o.ask.Exports.Get(key); ok && export.Status.IdentityHash == identity {
			exports = append(exports, export)
		}
	}
	return exports
}

// follow keeps account of who has which identity.
func (o *offers) follow(old, export *apisv1alpha2.APIExport, key logicalcluster.Key) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if old != nil {
		delete(o.identities[old.Status.IdentityHash], key)
		if len(o.identities[old.Status.IdentityHash]) == 0 {
			delete(o.identities, old.Status.IdentityHash)
		}
	}
	if export == nil || export.Status.IdentityHash == "" {
		return
	}
	if o.identities[export.Status.IdentityHash] == nil {
		o.identities[export.Status.IdentityHash] = map[logicalcluster.Key]bool{}
	}
	o.identities[export.Status.IdentityHash][key] = true
}
