"""Models behind an OpenAI-compatible server: a judge, or a model on trial. Servers are untrusted: what they send is bounded and checked."""
