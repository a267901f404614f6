"""What check.sh has rendered: against the schemas of Kubernetes, and the resources against each other.

usage: check.py FOLDER CRDS RENDERED.yaml...

A schema does not know that a Service selects nobody, that a probe asks a port which is not there, or that a Secret is
named which nobody makes. Such things are looked for here, each in a function of its own.
"""

import re
import sys
from pathlib import Path

import jsonschema
import yaml
from kubernetes_validate.utils import SchemaNotFoundError, ValidationError, all_versions, validate

# The first version with `preStop: sleep` enabled by default.
OLDEST = "1.30"
# Labels of pods that the operators create, according to their sources.
PODS_OF_OPERATORS = [{"app.kubernetes.io/name": "rabbitmq", "app.kubernetes.io/component": "rabbitmq"}, {"app": "mongodb-svc"}]
CUSTOM = {"RabbitmqCluster", "MongoDBCommunity"}
# Sources of nginx's other variables.
OF_NGINX = {"NAMESPACE"}


def main(folder, crds, rendered):
    folder = Path(folder)
    definitions = read_definitions(crds)
    problems, unchecked = {}, set()
    for path in map(Path, rendered):
        resources = [resource for resource in yaml.safe_load_all(path.read_text()) if resource]
        found = [problem for resource in resources for problem in against_schema(resource, definitions, unchecked)]
        for look in [labels, network, security, probes, ports, targets, budgets, references, environment, autoscaled]:
            found += look(resources, folder)
        if path.stem != "base":
            found += images(resources, folder)
        print(f"{path.stem}: {len(resources)} resources, {len(set(found))} problems")
        for problem in found:
            problems.setdefault(problem, []).append(path.stem)
    for problem, where in sorted(problems.items()):
        print(f"{problem} [{', '.join(dict.fromkeys(where))}]", file=sys.stderr)
    checked_against = f"Kubernetes {OLDEST} and {minor(all_versions()[-1])}"
    print(f"checked against {checked_against}; not checked: what only a cluster knows (kubectl apply --dry-run=server does)")
    if unchecked:
        print(f"not checked against a schema: {', '.join(sorted(unchecked))}; CRDS=FOLDER names the operators' definitions")
    return 1 if problems else 0


# --- Schemas ------------------------------------------------------------------------------------------------------


def against_schema(resource, definitions, unchecked):
    if resource["kind"] in CUSTOM:
        schema = definitions.get((resource["apiVersion"], resource["kind"]))
        if schema is None:
            unchecked.add(resource["kind"])
            return []
        errors = jsonschema.Draft202012Validator(schema).iter_errors(resource)
        return [f"{name_of(resource)}: {'.'.join(map(str, error.path))}: {error.message}" for error in errors]
    problems = []
    for version in [OLDEST, minor(all_versions()[-1])]:
        try:
            validate(resource, version, strict=True)
        except ValidationError as error:
            problems.append(f"{name_of(resource)}: {'.'.join(map(str, error.path))}: {error.message} (Kubernetes {version})")
        except SchemaNotFoundError as error:
            problems.append(f"{name_of(resource)}: {error.message}")
    return problems


def read_definitions(crds):
    """The schemas of custom resources, by version and kind."""
    found = {}
    for path in sorted(Path(crds).glob("*.y*ml")) if crds else []:
        for document in yaml.safe_load_all(path.read_text()):
            for item in (document or {}).get("items", [document]):
                if not item or item.get("kind") != "CustomResourceDefinition":
                    continue
                for version in item["spec"]["versions"]:
                    api_version = f"{item['spec']['group']}/{version['name']}"
                    schema = strict(version["schema"]["openAPIV3Schema"])
                    for field in ["apiVersion", "kind", "metadata"]:
                        schema["properties"][field] = {}
                    found[(api_version, item["spec"]["names"]["kind"])] = schema
    return found


def strict(schema):
    """A schema that refuses what the API server would drop without a word."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(value) for key, value in schema.items()}
    closed = isinstance(schema.get("properties"), dict) and "type" in schema
    if closed and "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema["additionalProperties"] = False
    return schema


# --- Consistency --------------------------------------------------------------------------------------------------


def labels(resources, _):
    """What selects pods selects some."""
    known = [pod["metadata"]["labels"] for _, pod in pods(resources)] + PODS_OF_OPERATORS
    for resource in resources:
        spec = resource.get("spec", {})
        if resource["kind"] == "Service":
            selectors = [{"matchLabels": spec["selector"]}]
        elif resource["kind"] in {"Deployment", "PodDisruptionBudget"}:
            selectors = [spec["selector"]]
        else:
            continue
        for selector in selectors:
            if not any(selects(selector, labels) for labels in known):
                yield f"{name_of(resource)} selects no pod: {selector}"


def network(resources, _):
    """A policy is about pods that are there, and about ports that they have."""
    known = [pod["metadata"]["labels"] for _, pod in pods(resources)] + PODS_OF_OPERATORS
    policies = [resource for resource in resources if resource["kind"] == "NetworkPolicy"]
    if not any(policy["spec"]["podSelector"] == {} and set(policy["spec"]) == {"podSelector", "policyTypes"} for policy in policies):
        yield "no NetworkPolicy denies everything"
    for policy in policies:
        spec = policy["spec"]
        peers = [peer for way, side in [("ingress", "from"), ("egress", "to")] for rule in spec.get(way, []) for peer in rule.get(side, [])]
        inside = [peer["podSelector"] for peer in peers if "podSelector" in peer and "namespaceSelector" not in peer]
        for selector in [spec["podSelector"], *inside]:
            if not any(selects(selector, labels) for labels in known):
                yield f"{name_of(policy)} is about no pod: {selector}"
        for way in ["ingress", "egress"]:
            if way in spec and way.capitalize() not in spec["policyTypes"]:
                yield f"{name_of(policy)} has rules for {way} that do not count"


def security(resources, _):
    """Pods of ours pass the Pod Security Standard `restricted`, and more: a read-only root, no token, limits."""
    for owner, pod in pods(resources):
        spec = pod["spec"]
        context = spec.get("securityContext", {})
        if not context.get("runAsNonRoot") or not context.get("runAsUser"):
            yield f"{owner} may run as root"
        if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{owner} has no seccomp profile"
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{owner} gets a token of its service account"
        for container in spec["containers"] + spec.get("initContainers", []):
            context = container.get("securityContext", {})
            if context.get("allowPrivilegeEscalation") is not False or context.get("capabilities") != {"drop": ["ALL"]}:
                yield f"{owner} may gain privileges"
            if not context.get("readOnlyRootFilesystem"):
                yield f"{owner} may write to its root"
            resources_of = container.get("resources", {})
            if not {"cpu", "memory"} <= set(resources_of.get("requests", {})) or "memory" not in resources_of.get("limits", {}):
                yield f"{owner} asks for no resources, or has no limit of memory"


def probes(resources, _):
    """Every server is probed, at a port that it has, and has time to stop."""
    for owner, pod in pods(resources, kinds={"Deployment"}):
        for container in pod["spec"]["containers"]:
            names = {port["name"] for port in container["ports"]}
            for probe in ["startupProbe", "livenessProbe", "readinessProbe"]:
                if container.get(probe, {}).get("httpGet", {}).get("port") not in names:
                    yield f"{owner} has no {probe} at a port of its own"
            waits = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            if pod["spec"].get("terminationGracePeriodSeconds", 30) < waits + 15:
                yield f"{owner} is killed before it has stopped: {waits} s of preStop, and up to 10 s, are within its time"


def ports(resources, _):
    """A Service's port leads to a port of the pods, and an Ingress to a Service's."""
    of_services = {}
    for resource in resources:
        if resource["kind"] != "Service":
            continue
        of_services[resource["metadata"]["name"]] = {port["name"] for port in resource["spec"]["ports"]}
        for _, pod in pods(resources):
            if not selects({"matchLabels": resource["spec"]["selector"]}, pod["metadata"]["labels"]):
                continue
            there = {port["name"]: port["containerPort"] for c in pod["spec"]["containers"] for port in c.get("ports", [])}
            for port in resource["spec"]["ports"]:
                if port["targetPort"] not in there:
                    yield f"{name_of(resource)} leads to port {port['targetPort']}, which no pod has"
                # A headless Service does not translate ports.
                elif resource["spec"].get("clusterIP") == "None" and there[port["targetPort"]] != port["port"]:
                    yield f"{name_of(resource)} says port {port['port']}, and pods have {there[port['targetPort']]}"
    for resource in resources:
        if resource["kind"] == "Ingress":
            for rule in resource["spec"]["rules"]:
                for path in rule["http"]["paths"]:
                    service = path["backend"]["service"]
                    if service["port"]["name"] not in of_services.get(service["name"], set()):
                        yield f"{name_of(resource)} leads to {service['name']}, which is no Service with that port"


def targets(resources, _):
    """nginx asks Services that are there, at their ports, in this namespace; and every Service of theirs is asked."""
    services = {}
    for resource in resources:
        if resource["kind"] == "Service":
            services[resource["metadata"]["name"]] = {port["port"] for port in resource["spec"]["ports"]}
    asked = set()
    for owner, pod in pods(resources):
        for container in pod["spec"]["containers"]:
            for variable in container.get("env", []):
                if not variable["name"].endswith("_SERVERS"):
                    continue
                for host, port in re.findall(r"server ([^ ]+):(\d+) ", variable["value"]):
                    name, _, rest = host.partition(".")
                    asked.add(name)
                    if int(port) not in services.get(name, set()) or rest != "$(NAMESPACE).svc.cluster.local":
                        yield f"{owner}, {variable['name']}: there is no Service {host} with port {port}"
    for name in sorted(set(services) - asked - {"nginx"}):
        yield f"Service {name} is not among nginx's servers"


def budgets(resources, _):
    """Nothing that has several instances goes away all at once."""
    budgets = [resource["spec"]["selector"] for resource in resources if resource["kind"] == "PodDisruptionBudget"]
    for owner, pod in pods(resources, kinds={"Deployment"}):
        if not any(selects(selector, pod["metadata"]["labels"]) for selector in budgets):
            yield f"{owner} has no PodDisruptionBudget"


def autoscaled(resources, _):
    """Either an autoscaler or `replicas` says how many instances a Deployment has."""
    deployments = {resource["metadata"]["name"]: resource for resource in resources if resource["kind"] == "Deployment"}
    scaled = {r["spec"]["scaleTargetRef"]["name"] for r in resources if r["kind"] == "HorizontalPodAutoscaler"}
    for name in sorted(scaled - set(deployments)):
        yield f"the autoscaler of {name} has no Deployment"
    for name, deployment in deployments.items():
        if ("replicas" in deployment["spec"]) == (name in scaled):
            yield f"Deployment {name} needs either an autoscaler or replicas, which the autoscaler would undo"


def references(resources, folder):
    """ConfigMaps and claims are there; Secrets are an operator's or explained in README.md; none is in the repository."""
    maps = {resource["metadata"]["name"] for resource in resources if resource["kind"] == "ConfigMap"}
    claims = {resource["metadata"]["name"] for resource in resources if resource["kind"] == "PersistentVolumeClaim"}
    readme = (folder / "README.md").read_text()
    for resource in resources:
        if resource["kind"] == "Secret":
            yield f"{name_of(resource)} must not be in the repository"
    of_users, passwords = set(), set()
    for resource in resources:
        if resource["kind"] == "MongoDBCommunity":
            for user in resource["spec"]["users"]:
                of_users.add(user["connectionStringSecretName"])
                passwords.add(user["passwordSecretRef"]["name"])
    by_hand = passwords | {tls["secretName"] for r in resources if r["kind"] == "Ingress" for tls in r["spec"].get("tls", [])}
    for owner, pod in pods(resources):
        spec = pod["spec"]
        mounted = {mount["name"] for container in spec["containers"] for mount in container.get("volumeMounts", [])}
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        for name in sorted(mounted ^ volumes):
            yield f"{owner}: {name} is either mounted and no volume, or a volume and not mounted"
        for claim in [volume["persistentVolumeClaim"]["claimName"] for volume in spec.get("volumes", []) if "persistentVolumeClaim" in volume]:
            if claim not in claims:
                yield f"{owner}: there is no PersistentVolumeClaim {claim}"
        secrets = {volume["secret"]["secretName"] for volume in spec.get("volumes", []) if "secret" in volume}
        for container in spec["containers"]:
            for source in container.get("envFrom", []):
                if source["configMapRef"]["name"] not in maps:
                    yield f"{owner}: there is no ConfigMap {source['configMapRef']['name']}"
            for variable in container.get("env", []):
                reference = variable.get("valueFrom", {}).get("secretKeyRef")
                secrets |= {reference["name"]} if reference else set()
            yield from files(owner, container, spec)
        by_hand |= secrets - of_users
    for name in sorted(by_hand):
        if f"`{name}`" not in readme:
            yield f"Secret {name} is needed, and README.md does not say how it is made"


def files(owner, container, spec):
    """A file that a variable names is where a Secret is mounted."""
    folders = {mount["mountPath"]: mount["name"] for mount in container.get("volumeMounts", [])}
    volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
    for variable in container.get("env", []):
        if not variable["name"].endswith("_FILE"):
            continue
        folder, _, file = variable["value"].rpartition("/")
        secret = volumes.get(folders.get(folder), {}).get("secret")
        if secret is None:
            yield f"{owner}: {variable['name']} names a file in {folder}, where no Secret is mounted"
        elif "items" in secret and file not in {item["path"] for item in secret["items"]}:
            yield f"{owner}: {variable['name']} names {file}, which is not among the files of Secret {secret['secretName']}"


def environment(resources, folder):
    """Variables of services are those of .env.example; nginx has all that its template wants."""
    root = folder.parent.parent
    known = set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", (root / ".env.example").read_text(), re.MULTILINE))
    known |= {name.removesuffix("_FILE") for name in known}
    wanted = set(re.findall(r"\$\{([A-Z_]+)\}", (root / "nginx" / "souk.conf.template").read_text()))
    maps = {resource["metadata"]["name"]: resource["data"] for resource in resources if resource["kind"] == "ConfigMap"}
    for owner, pod in pods(resources, kinds={"Deployment"}):
        for container in pod["spec"]["containers"]:
            given = {variable["name"] for variable in container.get("env", [])}
            for source in container.get("envFrom", []):
                given |= set(maps.get(source["configMapRef"]["name"], {}))
            if container["name"] == "nginx":
                for name in sorted(wanted ^ (given - OF_NGINX)):
                    yield f"{owner}: {name} is either missing or unknown to nginx/souk.conf.template"
            else:
                for name in sorted({name.removesuffix("_FILE") for name in given} - known):
                    yield f"{owner}: {name} is not in .env.example"


def images(resources, _):
    """Images are named by digest, and everything is in one namespace."""
    for owner, pod in pods(resources):
        for container in pod["spec"]["containers"]:
            if not re.fullmatch(r"[a-z0-9./-]+@sha256:[0-9a-f]{64}", container["image"]):
                yield f"{owner}: the image {container['image']} is not named by its digest"
    namespaces = {resource["metadata"].get("namespace") for resource in resources if resource["kind"] != "Namespace"}
    if namespaces != {resource["metadata"]["name"] for resource in resources if resource["kind"] == "Namespace"}:
        yield f"resources are in {namespaces}, which is not the one namespace"


# --- Helpers ------------------------------------------------------------------------------------------------------


def pods(resources, kinds=frozenset({"Deployment", "CronJob"})):
    """Who makes pods, and the template."""
    for resource in resources:
        if resource["kind"] in kinds:
            spec = resource["spec"]
            spec = spec["jobTemplate"]["spec"] if resource["kind"] == "CronJob" else spec
            yield name_of(resource), spec["template"]


def selects(selector, labels):
    equal = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    for rule in selector.get("matchExpressions", []):
        if rule["operator"] != "In":
            raise NotImplementedError(rule["operator"])
        equal = equal and labels.get(rule["key"]) in rule["values"]
    return equal


def name_of(resource):
    return f"{resource['kind']} {resource['metadata']['name']}"


def minor(version):
    return ".".join(version.split(".")[:2])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
