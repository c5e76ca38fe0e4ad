package policies

import (
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/apiserver/pkg/admission"
	webhookgeneric "k8s.io/apiserver/pkg/admission/plugin/webhook/generic"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/mutating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/validating"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

const (
	// keptPlugins is how many plugins wait for work. One takes half a megabyte and
	// some milliseconds to make.
	keptPlugins = 4
	// wornAfter is after how many snapshots a plugin is not lent out again: it
	// remembers all that it was ever given.
	wornAfter = 64
)

// pool lends out upstream's plugins that call webhooks. One shows its webhooks no
// context, and so can see only one workspace at a time: it belongs to one request
// until that is judged.
type pool struct {
	config *Config
	calls  *calls
	make   func() (*webhookgeneric.Webhook, error)

	mu   sync.Mutex
	idle []*lent
}

func newPool(config *Config, calls *calls, make func() (*webhookgeneric.Webhook, error)) *pool {
	return &pool{config: config, calls: calls, make: make}
}

func newMutatingPlugin() (*webhookgeneric.Webhook, error) {
	plugin, err := mutating.NewMutatingWebhook(nil)
	if err != nil {
		return nil, err
	}
	return plugin.Webhook, nil
}

func newValidatingPlugin() (*webhookgeneric.Webhook, error) {
	plugin, err := validating.NewValidatingAdmissionWebhook(nil)
	if err != nil {
		return nil, err
	}
	return plugin.Webhook, nil
}

// lent is a plugin and what it sees.
type lent struct {
	webhook *webhookgeneric.Webhook
	view    *view
	clients *clients
	// snapshots counts those that it was given.
	snapshots int
	returned  time.Time
}

// callWebhooks has the plugin of a pool judge the write.
func (j *judgement) callWebhooks(ctx context.Context, o admission.ObjectInterfaces, from *pool, configurations int) error {
	if configurations == 0 {
		return nil
	}
	plugin, err := from.take(j)
	if err != nil {
		return err
	}
	defer from.put(plugin, j.policies.config.Clock.Now())
	plugin.view.judged, plugin.view.authorizer = j, j.authorizer(ctx)
	return plugin.webhook.Dispatch(calling(ctx, j.by), j.attributes, o)
}

// take returns a plugin that shows what j sees.
func (p *pool) take(j *judgement) (*lent, error) {
	plugin := p.free(j.snapshot)
	if plugin == nil {
		var err error
		if plugin, err = p.new(); err != nil {
			return nil, err
		}
	}
	if plugin.view.snapshot != j.snapshot {
		plugin.snapshots++
		plugin.view.snapshot = j.snapshot
		plugin.view.changed()
	}
	return plugin, nil
}

// free returns a plugin that nobody has, or nil: the one that showed the snapshot
// last, if that is free, since what it knows of it has been compiled.
func (p *pool) free(last *snapshot) *lent {
	p.mu.Lock()
	defer p.mu.Unlock()
	best := len(p.idle) - 1
	for i, plugin := range p.idle {
		if plugin.view.snapshot == last {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	plugin := p.idle[best]
	p.idle = slices.Delete(p.idle, best, best+1)
	return plugin
}

func (p *pool) new() (*lent, error) {
	webhook, err := p.make()
	if err != nil {
		return nil, err
	}
	plugin := &lent{webhook: webhook, view: &view{config: p.config}, clients: p.calls.clients()}
	webhook.SetAuthenticationInfoResolverWrapper(plugin.clients.wrap)
	webhook.SetExternalKubeInformerFactory(plugin.view)
	webhook.SetExternalKubeClientSet(plugin.view.client())
	webhook.SetUnconditionalAuthorizer(authorizer.AuthorizerFunc(plugin.view.authorize))
	return plugin, webhook.ValidateInitialization()
}

func (p *pool) put(plugin *lent, now time.Time) {
	plugin.view.judged, plugin.view.authorizer = nil, nil
	plugin.returned = now
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) >= keptPlugins || plugin.snapshots > wornAfter {
		plugin.clients.close()
		return
	}
	p.idle = append(p.idle, plugin)
}

// sweep drops plugins that were last used before a time; zero stands for the end
// of time.
func (p *pool) sweep(before time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.idle[:0]
	for _, plugin := range p.idle {
		if before.IsZero() || plugin.returned.Before(before) {
			plugin.clients.close()
			continue
		}
		kept = append(kept, plugin)
	}
	clear(p.idle[len(kept):])
	p.idle = kept
}
