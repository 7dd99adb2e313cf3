// Predicts drugs with an exported model: node consumer.mjs MODEL.onnx [--genes 5] [SMILES ...]
// Without SMILES it reads them from standard input, one per line. docs/onnx.md describes the file.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import initRDKit from "@rdkit/rdkit";
import * as ort from "onnxruntime-web";
import protobuf from "protobufjs";

// Similarity from which an unseen drug is near.
const NEAR_SIMILARITY = 0.4;
const options = { genes: { type: "string", default: "5" } };
const { values, positionals: [path, ...given] } = parseArgs({ options, allowPositionals: true });
const structures = given.length ? given : readFileSync(0, "utf8").split("\n").map((line) => line.trim());
const file = readFileSync(path);
const session = await ort.InferenceSession.create(file);
const rdkit = await initRDKit();

// In JavaScript, onnxruntime does not give access to the card. It is field 14 (metadata_props) of the file, a protobuf.
const proto = `syntax = "proto3"; message Entry { string key = 1; string value = 2; }
  message Model { repeated Entry metadata_props = 14; }`;
const entries = protobuf.parse(proto).root.lookupType("Model").decode(file).metadataProps;
const card = Object.fromEntries(entries.map(({ key, value }) => [key, JSON.parse(value)]));
const { radius, bits } = card.fingerprint;

// rdkit-js has no ChargeParent. These steps do most of it: take the largest fragment that is not a counter-ion,
// remove charges that protons account for, and write sulfoxides with charges.
const [acids, bases, permanent, sulfoxides] = [
  "[+1;!h0;!$([+]~[-])]", "[-1;!#5;!$([-]~[+])]", "[+1;h0;!$([+]~[-])]", "[!O][S+0;X3](=O)[!O]",
].map((smarts) => rdkit.get_qmol(smarts));
// Counter-ions and solvents by the first block of their InChIKey, the most probable parent first.
const counterIons = Object.values(card.counter_ions ?? {}).flat();
const range = (first, last) => Array.from({ length: last - first + 1 }, (_, place) => first + place);
const nonMetals = new Set([[0, 2], [5, 10], [14, 18], [32, 36], [51, 54], [85, 86]].flatMap((ends) => range(...ends)));
// Li, Be, Na, Mg, Al, K, Ca, Zn, Rb, Sr, Ag, Cs, Ba, Bi, Fr, Ra as free ions belong to salts; all others to complexes.
const ionsOfSalts = new Set([3, 4, 11, 12, 13, 19, 20, 30, 37, 38, 47, 55, 56, 83, 87, 88]);
// Na, Mg, K, Ca, Rb, Cs are never the point of a salt with an organic counter-ion.
const inert = new Set([11, 12, 19, 20, 37, 55]);
const size = (molecule) => {
  const { NumAtoms, exactmw } = JSON.parse(molecule.get_descriptors());
  return NumAtoms + exactmw / 1e6;
};
function elementsOf(molecule) {
  const { defaults, molecules } = JSON.parse(molecule.get_json());
  return molecules[0].atoms.map((atom) => atom.z ?? defaults.atom.z);
}
function fragmentsToChoose(molecule) {
  const { molList } = molecule.get_frags();
  const fragments = Array.from({ length: molList.size() }, (_, place) => molList.at(place));
  const metals = elementsOf(molecule).filter((element) => !nonMetals.has(element));
  if (fragments.length === 1 && !metals.length) return fragments;
  const listed = [], others = [];
  for (const fragment of fragments) {
    const elements = elementsOf(fragment);
    if (elements.some((element) => !nonMetals.has(element))) {
      if (elements.length > 1 || !ionsOfSalts.has(elements[0])) throw new Error("holds a metal");
      continue;
    }
    const place = counterIons.indexOf(rdkit.get_inchikey_for_inchi(fragment.get_inchi()).slice(0, 14));
    if (place < 0) others.push({ fragment, organic: elements.includes(6) });
    else listed.push({ fragment, place });
  }
  if (others.length) {
    const organic = others.some((other) => other.organic);
    return others.filter((other) => other.organic === organic).map((other) => other.fragment);
  }
  const [first] = listed.sort((a, b) => a.place - b.place);
  const isInorganic = !first || first.place >= counterIons.length - card.counter_ions.inorganic.length;
  if (isInorganic ? metals.length : metals.some((metal) => !inert.has(metal))) {
    throw new Error("holds a metal, and beside it nothing but counter-ions");
  }
  return [first.fragment];
}
function parent(molecule) {
  const [largest] = fragmentsToChoose(molecule).sort((a, b) => size(b) - size(a));
  const matches = (query) => Object.values(JSON.parse(largest.get_substruct_matches(query)));
  const found = (query) => matches(query).map((match) => match.atoms);
  const graph = JSON.parse(largest.get_json());
  const { atoms, bonds } = graph.molecules[0];
  const protonate = (atom, by) => {
    for (const key of ["chg", "impHs"]) atoms[atom][key] = (atoms[atom][key] ?? 0) + by;
  };
  for (const [atom] of found(acids)) protonate(atom, -1);
  for (const [atom] of found(bases).slice(found(permanent).length)) protonate(atom, 1);
  for (const [, sulfur, oxygen] of found(sulfoxides)) {
    [atoms[sulfur].chg, atoms[oxygen].chg] = [1, -1];
    bonds.find((bond) => bond.atoms.includes(sulfur) && bond.atoms.includes(oxygen)).bo = 1;
  }
  // Assigning stereo anew would lose that of double bonds.
  return rdkit.get_mol(JSON.stringify(graph), `{"assignStereo": false}`);
}

for (const smiles of structures.filter(Boolean)) {
  const molecule = rdkit.get_mol(smiles);
  let drug;
  try {
    if (!molecule?.get_num_atoms()) throw new Error("not a valid SMILES");
    drug = parent(molecule);
  } catch (error) {
    console.error(`${smiles}: ${error.message}`);
    continue;
  }
  const fingerprint = [...drug.get_morgan_fp(JSON.stringify({ radius, nBits: bits }))].map(Number);
  const { probabilities, nearest, similarity, source_lines } = await session.run({
    fingerprint: new ort.Tensor("float32", fingerprint, [1, bits]),
    inchikey: new ort.Tensor("string", [rdkit.get_inchikey_for_inchi(drug.get_inchi())], [1]),
  });
  const near = `${card.learned_drugs[nearest.data[0]]}, similarity ${similarity.data[0].toFixed(4)}`;
  const lines = Number(source_lines.data[0]);
  const isAnchor = similarity.data[0] === 1 && card.anchors.includes(card.learned_drugs[nearest.data[0]]);
  const evidence = lines > 0 || isAnchor ? "seen" : similarity.data[0] >= NEAR_SIMILARITY ? "near" : "far";
  const offsets = (lines === 0 && card.decision_offsets_unseen) || card.decision_offsets;
  console.log(`${smiles}: nearest ${near}, source lines ${lines}, evidence ${evidence}`);
  for (const [place, gene] of card.genes.slice(0, Number(values.genes)).entries()) {
    const chances = [...probabilities.data.slice(3 * place, 3 * place + 3)];
    const scores = chances.map((one, label) => Math.log(Math.max(one, 1e-12)) + offsets[label]);
    const [best, second] = scores.toSorted((one, other) => other - one);
    // Of the labels of the atlas, a fifth is decided by less than the 20th percentile of the margins.
    const label = best - second < card.margins[20] ? "unknown" : card.labels[scores.indexOf(best)];
    console.log(`  ${gene} ${label} ${chances.map((one) => one.toFixed(4)).join(" ")}`);
  }
}
